//! The messages of what goes wrong, on a real server.

use kube::{Client, Config};
use libtest_mimic::Failed;
use opsbox_heal::ErrorKind;
use opsbox_heal::observe::live::{PodChange, PodScope, PodWatch, Sweep};

use crate::api_server::{ApiServer, block_on};
use crate::ports::free_port;

async fn first_error(client: Client, scope: PodScope) -> (ErrorKind, String) {
    let mut watch = PodWatch::new(client, scope);
    let PodChange::Interrupted { error, .. } = watch.next().await else {
        panic!("it worked")
    };
    println!("{error}");
    (error.kind(), error.to_string())
}

pub(crate) fn named(server: &ApiServer) -> Result<(), Failed> {
    block_on(async {
        let mut config = server.config("admintoken");
        config.default_retry = false;

        let (kind, text) = first_error(server.client_as("jane"), PodScope::all()).await;
        assert_eq!(kind, ErrorKind::Forbidden);
        assert!(
            text.contains("no permission for the verb \"watch\" on the resource \"pods\""),
            "{text}"
        );
        let mut sweep = Sweep::new(server.client_as("jane"), PodScope::all());
        let error = sweep.next().await.unwrap().unwrap_err();
        println!("{error}");
        assert!(
            error
                .to_string()
                .starts_with("cannot list namespaces: no permission for the verb \"list\""),
            "{error}"
        );
        let mut sweep = Sweep::new(server.client_as("jane"), PodScope::namespace("default"));
        let error = sweep.next().await.unwrap().unwrap_err();
        assert!(
            error
                .to_string()
                .contains("a Role of the namespace \"default\""),
            "{error}"
        );

        let mut wrong = config.clone();
        wrong.auth_info.token = Some("secret-that-is-wrong".to_owned().into());
        let (kind, text) = first_error(Client::try_from(wrong).unwrap(), PodScope::all()).await;
        assert_eq!(kind, ErrorKind::Unauthorized);
        assert!(!text.contains("secret-that-is-wrong"), "{text}");

        let mut strict = config.clone();
        strict.accept_invalid_certs = false;
        let (kind, text) = first_error(Client::try_from(strict).unwrap(), PodScope::all()).await;
        assert_eq!(kind, ErrorKind::Tls, "{text}");

        let nobody = format!("https://127.0.0.1:{}", free_port());
        let mut away = Config::new(nobody.parse().unwrap());
        away.default_retry = false;
        let (kind, text) = first_error(Client::try_from(away).unwrap(), PodScope::all()).await;
        assert_eq!(kind, ErrorKind::Unreachable);
        assert!(text.contains("refused"), "{text}");
    });
    Ok(())
}
