//! What was done and whose answer nobody heard, since the agent, the daemon or both were killed in between: it is done once, and its
//! operation ends as it really did.

#![expect(clippy::print_stdout, reason = "its figures are what the test is run for")]

use std::path::Path;

use tomo_proto::{
    api::{
        app::{AppDeploy, AppRestart},
        operation::OperationGet,
    },
    model::{
        app::AppSpec,
        operation::{Operation, OperationStatus},
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, ENGINE, TestAgent},
    daemon::TestDaemon,
    docker::{Image, docker, unique},
    engine_way::{EngineWay, Side},
    eventually::{PATIENCE, eventually_within},
    rounds::rounds,
};

/// Cuts that are made side by side.
const LANES: usize = 3;

/// Who is killed, and whether the engine has done it by then.
const CUTS: [(bool, bool, Side); 4] =
    [(true, false, Side::After), (false, true, Side::After), (true, true, Side::After), (true, false, Side::Before)];

struct Lane {
    daemon: TestDaemon,
    agent: TestAgent,
    way: EngineWay,
    name: String,
}

impl Lane {
    async fn set(image: &Image) -> Self {
        let daemon = TestDaemon::spawn().await;
        let way = EngineWay::to(Path::new(ENGINE));
        let agent = TestAgent::with_engine(&daemon, "web-1", ALLOW_ALL, &way.socket()).await;
        let (name, admin) = (unique("cut"), daemon.admin());
        let spec = AppSpec { image: image.name().to_owned(), ..AppSpec::default() };
        let request = AppDeploy { server: "web-1".to_owned(), name: name.clone(), spec, ..AppDeploy::default() };
        let plan = admin.call(&request).await.expect("is planned");
        let done = admin.carry_out(plan).await.expect("is allowed");
        assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
        Self { daemon, agent, way, name }
    }

    fn started_at(&self) -> String {
        docker(&["inspect", "-f", "{{.State.StartedAt}}", &format!("tomo-{}", self.name)])
    }

    /// Restarts the app and cuts off the answer.
    async fn cut(&mut self, (agent, daemon, side): (bool, bool, Side)) {
        let before = self.started_at();
        self.way.stop_at(1, side);
        let request = AppRestart { app: self.name.clone(), reason: None };
        let begun = self.daemon.admin().call(&request).await.expect("is allowed");
        self.way.held().await;
        let done = self.started_at();
        assert_eq!(done != before, side == Side::After, "{side:?}");
        if daemon {
            self.daemon.kill().await;
        }
        if agent {
            self.agent.kill().await;
            self.way.drop_held();
        } else {
            self.way.let_go();
        }
        if daemon {
            self.daemon.respawn().await;
        }
        if agent {
            self.agent.resume().await;
        }
        let ended = self.settled(&begun).await;
        let expected = if side == Side::After { OperationStatus::Succeeded } else { OperationStatus::Failed };
        assert_eq!(ended.status, expected, "{ended:?}");
        assert_eq!((self.started_at(), self.way.calls()), (done, vec!["restart".to_owned()]), "{ended:?}");
    }

    async fn settled(&self, begun: &Operation) -> Operation {
        let request = OperationGet { operation: begun.operation.to_string(), ..OperationGet::default() };
        let admin = self.daemon.admin();
        eventually_within(3 * PATIENCE, "it is known how it ended", async || {
            let operation = admin.call(&request).await.ok()?;
            (operation.status.is_final() && operation.status != OperationStatus::Unknown).then_some(operation)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_between_doing_and_answering_is_done_once() {
    let each = rounds(LANES * CUTS.len()).div_ceil(LANES);
    let image = Image::script("trap 'exit 0' TERM; while :; do busybox sleep 1 & wait $!; done");
    let lane = async || {
        let mut lane = Lane::set(&image).await;
        for cut in CUTS.into_iter().cycle().take(each) {
            lane.cut(cut).await;
        }
        lane.agent.stop().await;
        lane.daemon.stop().await;
    };
    tokio::join!(lane(), lane(), lane());
    println!("{} cuts: each was done once, and its operation ended as it really did", each * LANES);
}
