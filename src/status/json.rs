//! The report as JSON, for programs: `tidegauge status --output json`.
//!
//! Bytes are integers, ratios numbers from 0 to 1, levels `ok`, `warning`, `critical` or `unknown`;
//! what is not known is `null`. Names that are no text are escaped as in the metrics.

use serde_json::{Value, json};

use super::report::{FilesystemRow, Fill, Report};
use super::table::word;

/// One JSON document, indented, with a newline at its end.
pub fn render(report: &Report) -> String {
    let tiers: Vec<Value> = report
        .tiers
        .iter()
        .map(|tier| {
            let thresholds: serde_json::Map<String, Value> = tier
                .thresholds
                .each()
                .map(|(name, ratio)| (name.to_owned(), json!(ratio.0)))
                .into_iter()
                .collect();
            let directories: Vec<Value> = tier
                .directories
                .iter()
                .map(|d| {
                    let fill = d.fill.as_ref();
                    json!({
                        "path": d.path,
                        "level": word(d.level),
                        "budget_bytes": d.budget,
                        "used_bytes": fill.ok().map(|f| f.used),
                        "used_ratio": fill.ok().and_then(|f| f.ratio),
                        "error": fill.err(),
                    })
                })
                .collect();
            merged(
                json!({
                    "name": tier.name,
                    "level": word(tier.level),
                    "up": tier.fill.is_some(),
                    "reasons": tier.reasons,
                    "thresholds": thresholds,
                    "filesystems": tier.filesystems.iter().map(filesystem).collect::<Vec<_>>(),
                    "directories": directories,
                }),
                tier.fill.as_ref(),
            )
        })
        .collect();
    let whole = json!({
        "exit_code": report.exit_code(),
        "tiers": tiers,
        "unassigned": report.unassigned.iter().map(filesystem).collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}

fn filesystem(row: &FilesystemRow) -> Value {
    merged(
        json!({
            "mountpoint": row.mountpoint,
            "device": row.device,
            "fstype": row.fstype,
            "level": word(row.level),
            "read_only": row.read_only,
            "age_seconds": row.fill.is_ok().then(|| row.age.map_or(0.0, |a| a.as_secs_f64())),
            "error": row.fill.as_ref().err(),
        }),
        row.fill.as_ref().ok(),
    )
}

/// Adds the numbers of a fill, or nulls.
fn merged(mut value: Value, fill: Option<&Fill>) -> Value {
    value["size_bytes"] = json!(fill.map(|f| f.size));
    value["used_bytes"] = json!(fill.map(|f| f.used));
    value["avail_bytes"] = json!(fill.map(|f| f.avail));
    value["used_ratio"] = json!(fill.and_then(|f| f.ratio));
    value
}
