//! How long tasks waited for I/O (PSI).

use tidegauge_model::metric::{Family, FamilySpec, Labels};

use super::{Collector, CollectorSpec, Context, Schedule};
use crate::device::kernel_file::KernelFile;
use crate::device::pressure;
use crate::host::ReadError;
use crate::host::pass::Pass;
use crate::settings::Settings;

static WAITING: FamilySpec = FamilySpec::counter(
    "tidegauge_pressure_io_waiting_seconds_total",
    "Time in which at least one task waited for I/O.",
    &[],
);
static STALLED: FamilySpec = FamilySpec::counter(
    "tidegauge_pressure_io_stalled_seconds_total",
    "Time in which no task could run because all waited for I/O.",
    &[],
);

/// See the module's text.
pub static SPEC: CollectorSpec = CollectorSpec {
    name: "pressure",
    help: "I/O pressure of the host (/proc/pressure/io)",
    source: "/proc/pressure/io",
    default_enabled: true,
    schedule: Schedule::AtScrape,
    settings: &[],
    rights: &[],
    families: &[&WAITING, &STALLED],
    build,
};

struct Pressure {
    file: KernelFile,
}

fn build(context: &Context, _: &Settings) -> Box<dyn Collector> {
    Box::new(Pressure {
        file: KernelFile::new(context.procfs.join("pressure/io")),
    })
}

impl Collector for Pressure {
    fn collect(&mut self, _: &Pass) -> Result<Vec<Family>, ReadError> {
        let content = match self.file.read() {
            Ok(content) => content,
            // Not built into this kernel, or switched off (psi=0: "operation not supported").
            Err(error)
                if matches!(
                    error.source.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::Unsupported
                ) =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(ReadError::new(error)),
        };
        let read = pressure::parse(content).map_err(ReadError::new)?;
        let family = |spec, us: u64| {
            let mut family = Family::new(spec);
            #[expect(
                clippy::cast_precision_loss,
                reason = "exact for 285 years of microseconds"
            )]
            family.push(&Labels::none(), us as f64 / 1e6);
            family
        };
        Ok(vec![
            family(&WAITING, read.some_us),
            family(&STALLED, read.full_us),
        ])
    }
}
