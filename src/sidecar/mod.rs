//! The sidecar: feeds, window, rules and the API, joined. It runs on a thread of its own, so that neither a query nor
//! a rule delays a scrape of the exporter.

pub mod families;
mod plan;
mod shown;
mod source;
mod state_dir;
mod surroundings;
mod views;

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tidegauge_alerts::alert::Database;
use tidegauge_alerts::api::host::Hosts;
use tidegauge_alerts::api::v1::{Api, Settings, Sources};
use tidegauge_alerts::api::{Routes, SelfMetrics};
use tidegauge_alerts::clock::{Clock, HostClock};
use tidegauge_alerts::feed::{Feeds, Source};
use tidegauge_alerts::rule::Manager;
use tidegauge_alerts::window::{Keeper, Window};
use tidegauge_model::metric::Family;
use tidegauge_web::reload::ReloadRequest;
use tidegauge_web::secure::Security;
use tidegauge_web::{HttpStats, Options, bind, serve};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::reload::Outcome;

pub use self::plan::Plan;
pub use self::source::InProcess;
pub use self::state_dir::StateDir;
use self::surroundings::{Surroundings, pace};
use self::views::{Fed, InUse, Looked, Program, Ruled};

/// What a sidecar is started with.
pub struct Start {
    /// What it is to do at first.
    pub plan: Plan,
    /// Where it keeps what it must not forget.
    pub state: StateDir,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// Where users find it; `None`: by the host's name and the first port.
    pub external_url: Option<String>,
    /// Limits of queries.
    pub queries: Settings,
    /// TLS and passwords.
    pub security: Option<Arc<Security>>,
    /// Of its server.
    pub stats: Arc<HttpStats>,
    /// The exporter of this process.
    pub source: Option<Arc<dyn Source>>,
    /// Where wishes to read the configuration again go.
    pub reload: mpsc::Sender<ReloadRequest>,
    /// The flags as they are shown.
    pub flags: BTreeMap<String, String>,
    /// How reading the configuration went.
    pub outcome: Arc<Outcome>,
}

/// A running sidecar.
pub struct Sidecar {
    plans: mpsc::UnboundedSender<(Plan, oneshot::Sender<()>)>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sidecar {
    /// Starts it; it listens, and knows what it knew before, when this returns.
    pub fn start(start: Start) -> Result<Self, Failure> {
        let (plans, inbox) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = channel();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Err(error) => {
                    // Whoever waits has gone only when the program ends.
                    let _ = ready.send(Err(Failure::failed(format!("cannot start: {error}"))));
                }
                Ok(runtime) => {
                    runtime.block_on(run(start, inbox, stopped, |result| {
                        let _ = ready.send(result);
                    }));
                    // A query under way would hold up the end.
                    runtime.shutdown_background();
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("sidecar".into())
            .spawn(work)
            .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
        started
            .recv()
            .unwrap_or_else(|_| Err(Failure::failed("the sidecar stopped; please report it")))?;
        Ok(Self {
            plans,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Does what this says; it is in use when this returns.
    pub async fn apply(&self, plan: Plan) -> Result<(), Failure> {
        let (done, applied) = oneshot::channel();
        // It has ended only when the program does, which the answer tells too.
        let _ = self.plans.send((plan, done));
        applied
            .await
            .map_err(|_| Failure::failed("the sidecar stopped; please report it"))
    }
}

/// Ends it; what it knows is on disk then.
impl Drop for Sidecar {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic was told by its hook.
            let _ = thread.join();
        }
    }
}

struct Itself {
    window: Arc<Window>,
    manager: Arc<Manager>,
    feeds: Arc<Feeds>,
    outcome: Arc<Outcome>,
}

impl SelfMetrics for Itself {
    fn families(&self) -> Vec<Family> {
        [
            families::rules(&self.manager),
            families::window(&self.window.stats()),
            self.feeds.families(),
            self.outcome.families(),
        ]
        .concat()
    }

    fn ready(&self) -> bool {
        // It serves only after it has read what it knew.
        true
    }
}

async fn run(
    start: Start,
    mut plans: mpsc::UnboundedReceiver<(Plan, oneshot::Sender<()>)>,
    stopped: oneshot::Receiver<()>,
    tell: impl FnOnce(Result<(), Failure>),
) {
    let listeners = match listen(&start.addresses) {
        Ok(listeners) => listeners,
        Err(failure) => return tell(Err(failure)),
    };
    let clock: Arc<dyn Clock> = Arc::new(HostClock);
    let host_name = host_name();
    let external_url = start
        .external_url
        .clone()
        .unwrap_or_else(|| address_of(&host_name, &listeners));
    let plan = start.plan;
    let in_use = Arc::new(Mutex::new(InUse::of(&plan)));
    let folder = start.state.path().join("window");
    let (window, restored) = Window::open(folder, plan.window, plan.demands, Arc::clone(&clock));
    for problem in &restored.problems {
        tracing::warn!(problem, "the window was not restored whole");
    }
    tracing::info!(
        series = restored.series,
        samples = restored.samples,
        torn_bytes = restored.torn_bytes,
        "window restored"
    );
    let window = Arc::new(window);
    let keeper = match Keeper::start(Arc::clone(&window)) {
        Ok(keeper) => keeper,
        Err(error) => {
            return tell(Err(Failure::failed(format!(
                "cannot start a thread: {error}; is the limit of processes or memory too low?"
            ))));
        }
    };
    let database = Database::open(start.state.path(), clock.now());
    let feeds = Arc::new(Feeds::new(window.clone(), Arc::clone(&clock), start.source));
    let surroundings = Surroundings {
        window: Arc::clone(&window),
        feeds: Arc::clone(&feeds),
        clock: Arc::clone(&clock),
        queries: start.queries.clone(),
        external_url: Arc::from(external_url.as_str()),
    };
    let manager = Arc::new(Manager::new(
        surroundings.world(&plan.global),
        Arc::clone(&clock),
        Some(database),
        None,
        pace(&plan.global),
    ));
    // Before the rules: a feed that was never scraped counts as down, so that what is restored holds.
    feeds.apply(plan.feeds);
    manager.load(plan.groups);

    let itself: Arc<dyn SelfMetrics> = Arc::new(Itself {
        window: Arc::clone(&window),
        manager: Arc::clone(&manager),
        feeds: Arc::clone(&feeds),
        outcome: Arc::clone(&start.outcome),
    });
    let sources = Sources {
        index: Arc::new(Looked(Arc::clone(&window))),
        rules: Arc::new(Ruled(Arc::clone(&manager))),
        targets: Arc::new(Fed {
            feeds: Arc::clone(&feeds),
            host_name: host_name.clone(),
        }),
        status: Arc::new(Program {
            version: crate::exporter::VERSION,
            flags: start.flags,
            started: clock.now(),
            host_name: host_name.clone(),
            outcome: start.outcome,
            in_use: Arc::clone(&in_use),
            window: Arc::clone(&window),
            manager: Arc::clone(&manager),
        }),
    };
    let routes = Routes {
        v1: Api::new(sources, clock, start.queries),
        itself,
        stats: Arc::clone(&start.stats),
        hosts: Hosts::new(
            [Some(host_name), host_of(&external_url)]
                .into_iter()
                .flatten(),
        ),
        reload: Some(start.reload),
    };
    let options = Options {
        security: start.security,
        ..Options::default()
    };
    tell(Ok(()));
    let follow = async {
        while let Some((plan, done)) = plans.recv().await {
            *in_use.lock().unwrap_or_else(PoisonError::into_inner) = InUse::of(&plan);
            window.set_settings(plan.window);
            window.set_demands(plan.demands);
            feeds.apply(plan.feeds);
            let world = surroundings.world(&plan.global);
            manager.reload(world, pace(&plan.global), plan.groups);
            // Who asked may have gone.
            let _ = done.send(());
        }
    };
    let stop = async {
        let _ = stopped.await;
    };
    tokio::select! {
        () = serve(listeners, routes, start.stats, options, stop) => {}
        () = follow => {}
    }
    manager.stop().await;
    feeds.stop();
    // Makes durable what is in memory only.
    drop(keeper);
}

fn listen(addresses: &[String]) -> Result<Vec<TcpListener>, Failure> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = bind(address).map_err(|error| Failure::failed(error.to_string()))?;
        let local = listener
            .local_addr()
            .map_or_else(|_| address.clone(), |address| address.to_string());
        tracing::info!(address = local, "sidecar listening");
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Of this host.
pub fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}

fn address_of(host_name: &str, listeners: &[TcpListener]) -> String {
    let port = listeners
        .iter()
        .find_map(|listener| listener.local_addr().ok())
        .map_or(0, |address| address.port());
    format!("http://{host_name}:{port}")
}

/// The host of a URL.
fn host_of(url: &str) -> Option<String> {
    let uri: hyper::Uri = url.parse().ok()?;
    uri.host().map(str::to_owned)
}
