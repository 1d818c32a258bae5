//! Private images: a registry's credential goes to the agent that pulls from there, with the pull, and stays nowhere.

use std::{fs, path::Path};

use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet, AppPart},
        audit::AuditSearch,
        person::{
            ChangeVaultPassword, DeleteRegistry, GetVault, InitVault, LockVault, RotateVault, SecretText, SetRegistry,
            UnlockVault,
        },
        registry::RegistryList,
        stock::ImagePull,
    },
    error::ErrorCode,
    model::{
        app::AppSpec,
        operation::{Operation, OperationStatus},
        user::{Role, Scope},
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, REGISTRY_PASSWORD, REGISTRY_USER, Registry, docker, unique},
    http::Http,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";

async fn deploy(admin: &Http, name: &str, image: &str) -> Operation {
    let spec = AppSpec { image: image.to_owned(), ..AppSpec::default() };
    let wanted = AppDeploy { server: SERVER.to_owned(), name: name.to_owned(), spec, ..AppDeploy::default() };
    let plan = admin.call(&wanted).await.expect("is planned");
    admin.carry_out(plan).await.expect("is carried out")
}

async fn pull(admin: &Http, image: &str) -> Operation {
    let wanted = ImagePull { server: SERVER.to_owned(), image: image.to_owned(), reason: None };
    let begun = admin.call(&wanted).await.expect("is begun");
    admin.wait_for(begun).await.expect("ends")
}

fn login(registry: &str, user: &str, password: &str) -> SetRegistry {
    SetRegistry { registry: registry.to_owned(), user: user.to_owned(), password: SecretText::new(password) }
}

/// Why an operation failed, and what it says to do.
fn failure(operation: Operation) -> (String, String) {
    assert_eq!(operation.status, OperationStatus::Failed, "{operation:?}");
    let error = operation.error.expect("says why");
    (error.message, error.next.unwrap_or_default())
}

/// The files below a folder that hold a text.
fn holders(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("is there").flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(holders(&path, text)),
            Ok(kind) if kind.is_file() => {
                let bytes = fs::read(&path).expect("can be read");
                if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
                    found.push(path.display().to_string());
                }
            }
            _ => {}
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_image_is_pulled_with_the_credential_of_its_registry_which_stays_nowhere() {
    let mut daemon = TestDaemon::spawn().await;
    let admin = daemon.admin();
    let mut agent = TestAgent::halves(&daemon, SERVER, ALLOW_ALL).await;
    let (registry, other) = (Registry::private().await, Registry::private().await);
    let image = Image::script("busybox sleep 600");
    let (pushed, elsewhere, name) = (registry.push(&image), other.push(&image), unique("private"));
    let host = registry.host();

    let (message, next) = failure(deploy(&admin, &name, &pushed).await);
    assert!(message.contains(&format!("the registry {host} gives it to nobody")), "{message}");
    assert_eq!(next, format!("if the image is private: tomo registry add {host} --user NAME"));

    let tomo = Tomo::at_socket(&daemon);
    let add = ["registry", "add", &host, "--user", REGISTRY_USER];
    drop(tomo.run_with_input(add, "wrong-password-of-a-registry\n").await.ok());
    let (message, next) = failure(deploy(&admin, &name, &pushed).await);
    assert!(message.contains(&format!("the registry {host} refused the user {REGISTRY_USER}")), "{message}");
    assert!(next.contains(&format!("tomo registry add {host} --user {REGISTRY_USER}")), "{next}");

    let said = tomo.run_with_input(add, &format!("{REGISTRY_PASSWORD}\n")).await.ok();
    assert!(said.stdout.contains(&format!("images of {host} are pulled as {REGISTRY_USER}")), "{said:?}");
    let listed = admin.call(&RegistryList {}).await.expect("answers").registries;
    assert_eq!(listed.iter().map(|one| (&*one.registry, &*one.user)).collect::<Vec<_>>(), [(&*host, REGISTRY_USER)]);
    let shown = tomo.run(["registry", "list"]).await.ok();
    assert!(shown.stdout.contains(&host) && shown.stdout.contains(REGISTRY_USER), "{shown:?}");
    let done = deploy(&admin, &name, &pushed).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let asked = AppGet { app: name.clone(), include: vec![AppPart::Update] };
    let check = admin.call(&asked).await.expect("answers").image_check.expect("was tried");
    assert!(check.problem.is_none() && check.running.is_some() && check.running == check.offered, "{check:?}");
    // The same user at another registry is another one.
    let (message, _) = failure(pull(&admin, &elsewhere).await);
    assert!(message.contains(&format!("the registry {} gives it to nobody", other.host())), "{message}");

    // A master password, a new one, and a sealed daemon.
    let text = |text: &str| SecretText::new(text);
    let (first, second) = ("the first master password", "the second master password");
    admin.person(&InitVault { password: text(first), discard: false }).await.expect("is set");
    let change = ChangeVaultPassword { current: text(first), new: text(second) };
    admin.person(&change).await.expect("is changed");
    admin.person(&RotateVault { password: text(second) }).await.expect("is sealed anew");
    assert_eq!(admin.person(&GetVault {}).await.expect("answers").secrets, 1);
    assert_eq!(pull(&admin, &pushed).await.status, OperationStatus::Succeeded);
    admin.person(&LockVault {}).await.expect("is sealed");
    assert!(failure(pull(&admin, &pushed).await).0.contains("sealed"));
    admin.person(&UnlockVault { password: text(second) }).await.expect("opens");
    assert_eq!(pull(&admin, &pushed).await.status, OperationStatus::Succeeded);

    let audit = admin.call(&AuditSearch::default()).await.expect("answers");
    let audit = serde_json::to_string(&audit).expect("is JSON");
    assert!(audit.contains("registry.set") && !audit.contains(REGISTRY_PASSWORD), "{audit}");
    admin.person(&DeleteRegistry { registry: host.clone() }).await.expect("is forgotten");
    assert!(failure(pull(&admin, &pushed).await).0.contains("gives it to nobody"));
    let unknown = admin.person(&DeleteRegistry { registry: host.clone() }).await.expect_err("is gone");
    assert_eq!(unknown.error.code, ErrorCode::NotFound);

    drop(docker(&["rm", "-f", &format!("tomo-{name}")]));
    drop(docker(&["rmi", "-f", &pushed]));
    assert!(!daemon.program().log().contains(REGISTRY_PASSWORD));
    let folder = agent.folder().to_owned();
    agent.halt().await;
    daemon.halt().await;
    // What is looked for would be found.
    assert!(!holders(&folder, &host).is_empty() && !holders(&daemon.data(), &host).is_empty());
    for password in [REGISTRY_PASSWORD, "wrong-password-of-a-registry"] {
        assert_eq!((holders(&folder, password), holders(&daemon.data(), password)), (Vec::new(), Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_a_persons_and_for_a_registry_that_images_can_name() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    for (registry, user, password, field) in [
        ("https://ghcr.io", "ana", "x", "registry"),
        ("ghcr.io/team", "ana", "x", "registry"),
        ("ghcr.io", "", "x", "user"),
        ("ghcr.io", "a:b", "x", "user"),
        ("ghcr.io", "ana", "", "password"),
    ] {
        let refused = admin.person(&login(registry, user, password)).await.expect_err("does not fit").error;
        assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::Invalid, Some(field)), "{refused:?}");
    }
    let viewer = daemon.sign_in_as(Role::Viewer).await;
    let denied = viewer.person(&login("ghcr.io", "ana", "x")).await.expect_err("looks only").error;
    assert_eq!(denied.code, ErrorCode::Denied);
    let program = daemon.token(&[Scope::Read, Scope::Plan]).await;
    let denied = program.person(&login("ghcr.io", "ana", "x")).await.expect_err("is a program").error;
    assert_eq!(denied.code, ErrorCode::Denied);
    admin.person(&login("ghcr.io", "ana", "x")).await.expect("fits");
    admin.person(&login("ghcr.io", "ben", "y")).await.expect("replaces it");
    let listed = program.mcp("/mcp/full").call("registry_list", serde_json::json!({})).await;
    let listed = format!("{listed:?}");
    assert!(listed.contains("ben") && !listed.contains("ana"), "{listed}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_at_a_registry_in_the_dashboard_and_forgets_it() {
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 80, 24);
    terminal.wait_for("live").await;
    terminal.type_text("6");
    terminal.wait_for("press a to sign in").await;
    terminal.type_text("a");
    terminal.wait_for("Sign in at a registry").await;
    for text in ["ghcr.io", "ana", "hunter2"] {
        terminal.type_text(text);
        terminal.press(Key::Tab);
    }
    terminal.press(Key::Enter);
    // What was typed is on the screen too until the daemon has it.
    terminal.wait_until("the form is gone", |screen| !screen.contents().contains("Sign in at a registry")).await;
    terminal.wait_for("ghcr.io").await;
    assert!(!terminal.text().contains("hunter2"), "{terminal:?}");
    let listed = tomo.run(["registry", "list"]).await.ok().stdout;
    assert!(listed.contains("ghcr.io") && listed.contains("ana"), "{listed}");
    terminal.type_text("D");
    terminal.wait_for("sign in as nobody").await;
    terminal.press(Key::Tab);
    terminal.press(Key::Enter);
    terminal.wait_for("press a to sign in").await;
    assert!(daemon.admin().call(&RegistryList {}).await.expect("is listed").registries.is_empty());
    daemon.stop().await;
}
