//! What somebody notices who uses an app while it is updated: with a fixed host port the downtime that was said and measured, with one
//! that the engine chooses nothing.

#![expect(clippy::print_stdout, reason = "its figures are what the test is run for")]

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::{Instant, interval, timeout},
};
use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet},
        operation::OperationGet,
        settings::SettingsSet,
    },
    model::{
        app::{AppSpec, HealthCheck, PortSpec, Protocol},
        operation::OperationStatus,
        plan::Plan,
        settings::SettingChange,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    daemon::TestDaemon,
    docker::{Image, unique},
    eventually::{PATIENCE, eventually},
    http::Http,
};

use crate::deploy::{free_port, served};

const SERVER: &str = "web-1";
const REQUESTS_PER_SECOND: u32 = 200;
/// How long the old one is to go on answering.
const OVERLAP: Duration = Duration::from_secs(5);

/// Asks a port of this host many times a second.
struct Load {
    port: Arc<AtomicU16>,
    heard: Arc<Mutex<Vec<(Instant, bool)>>>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Load {
    fn on(port: u16) -> Self {
        let (port, heard) = (Arc::new(AtomicU16::new(port)), Arc::new(Mutex::new(Vec::new())));
        let (end, mut ended) = oneshot::channel();
        let (asked, noted) = (Arc::clone(&port), Arc::clone(&heard));
        let task = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / REQUESTS_PER_SECOND);
            let mut asking = JoinSet::new();
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = &mut ended => break,
                }
                let (port, noted) = (asked.load(Ordering::SeqCst), Arc::clone(&noted));
                asking.spawn(async move {
                    let sent = Instant::now();
                    let answered = timeout(PATIENCE, served(port)).await.ok().flatten().is_some();
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push((sent, answered));
                });
            }
            while asking.join_next().await.is_some() {}
        });
        Self { port, heard, end, task }
    }

    fn turn_to(&self, port: u16) {
        self.port.store(port, Ordering::SeqCst);
    }

    /// When each request was sent, oldest first, and whether it was answered.
    async fn end(self) -> Vec<(Instant, bool)> {
        assert!(self.end.send(()).is_ok(), "it goes on until now");
        self.task.await.expect("ends");
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        heard.sort_unstable();
        heard
    }
}

fn failed(heard: &[(Instant, bool)]) -> usize {
    heard.iter().filter(|(_, answered)| !answered).count()
}

fn spec(image: &Image, host: Option<u16>, mode: &str) -> AppSpec {
    AppSpec {
        image: image.name().to_owned(),
        ports: vec![PortSpec { container: 8080, host, protocol: Protocol::Tcp, loopback: true }],
        env: [("MODE".to_owned(), mode.to_owned())].into(),
        health: Some(HealthCheck::Http { port: 8080, path: "/".to_owned() }),
        ..AppSpec::default()
    }
}

async fn plan(admin: &Http, name: &str, spec: AppSpec) -> Plan {
    let request = AppDeploy { server: SERVER.to_owned(), name: name.to_owned(), spec, ..AppDeploy::default() };
    admin.call(&request).await.expect("is planned")
}

/// The host port that an app has now.
async fn port_of(admin: &Http, name: &str) -> Option<u16> {
    admin.call(&AppGet { app: name.to_owned(), include: Vec::new() }).await.ok()?.summary.ports.first()?.host
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_port_is_down_for_as_long_as_is_said_and_a_free_one_never() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::spawn(&daemon, SERVER, ALLOW_ALL).await;
    let overlap = SettingChange { name: "overlap_secs".to_owned(), value: OVERLAP.as_secs().to_string() };
    let change = admin.call(&SettingsSet { changes: vec![overlap], reason: None }).await.expect("is planned");
    admin.carry_out(change).await.expect("is allowed");
    let image = Image::web();

    let (name, port) = (unique("fixed"), free_port());
    let first = plan(&admin, &name, spec(&image, Some(port), "slow")).await;
    assert_eq!(first.downtime, None, "nothing runs yet");
    assert_eq!(admin.carry_out(first).await.expect("is allowed").status, OperationStatus::Succeeded);
    let second = plan(&admin, &name, spec(&image, Some(port), "fast")).await;
    let said = second.downtime.clone().expect("is said beforehand");
    assert!(said.contains(&format!("port {port} is fixed")), "{said}");
    let load = Load::on(port);
    let done = admin.carry_out(second).await.expect("is allowed");
    let heard = load.end().await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let measured = Duration::from_millis(done.downtime_ms.expect("is measured"));
    let missed: Vec<Instant> = heard.iter().filter(|(_, answered)| !answered).map(|(sent, _)| *sent).collect();
    let noticed = missed.first().zip(missed.last()).map_or(Duration::ZERO, |(first, last)| *last - *first);
    println!(
        "fixed port: {measured:?} measured, {noticed:?} noticed, {} of {} requests failed",
        missed.len(),
        heard.len()
    );
    // From when the old one is asked to stop to when the new one is seen to be healthy: never less than what is noticed.
    assert!(measured > Duration::ZERO && noticed <= measured + Duration::from_millis(500), "{measured:?} {noticed:?}");

    let name = unique("free");
    admin.carry_out(plan(&admin, &name, spec(&image, None, "slow")).await).await.expect("is allowed");
    let old = eventually("the engine's choice is known", async || port_of(&admin, &name).await).await;
    let update = plan(&admin, &name, spec(&image, None, "fast")).await;
    let said = update.downtime.clone().expect("is said beforehand");
    assert!(said.starts_with("none") && said.contains("5 s"), "{said}");
    let follower = Load::on(old);
    let begun = admin.begin(update).await.expect("is allowed");
    let new =
        eventually("the new one is the app", async || port_of(&admin, &name).await.filter(|new| *new != old)).await;
    let stayer = Load::on(old);
    follower.turn_to(new);
    // Until two seconds before the stated end: what was asked late must have been answered by then.
    let until = Instant::now() + OVERLAP - Duration::from_secs(2);
    let request = OperationGet { operation: begun.operation.to_string(), ..OperationGet::default() };
    eventually("most of the overlap is over", async || (Instant::now() >= until).then_some(())).await;
    let both = admin.call(&request).await.expect("is known");
    assert!(both.step.contains("answer for 5 s more"), "{both:?}");
    let stayed = stayer.end().await;
    let done = admin.wait_for(begun).await.expect("ends");
    let followed = follower.end().await;
    assert_eq!((done.status, done.downtime_ms), (OperationStatus::Succeeded, Some(0)), "{done:?}");
    println!(
        "free port: {} of {} requests of who follows failed, {} of {} of who stays for the overlap",
        failed(&followed),
        followed.len(),
        failed(&stayed),
        stayed.len()
    );
    assert_eq!((failed(&followed), failed(&stayed)), (0, 0));
    assert!(followed.len() > 1_000 && stayed.len() > 300, "{} and {}", followed.len(), stayed.len());
    agent.stop().await;
    daemon.stop().await;
}
