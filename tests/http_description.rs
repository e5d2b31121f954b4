//! The HTTP API is what its OpenAPI description says: schemathesis sends what it allows, and some of what it does not.
//!
//! Needs `schemathesis` (`pip install schemathesis==4.32.5`) on the `PATH`, so it is compiled only with the feature `foreign-tests`.

mod support;

use std::path::Path;
use std::process::Command;

use support::programs::Place;

/// Starts an orchestration on a server of `example`, then compares all routes with the description, configured by `config`.
async fn agree(example: &'static str, config: &str, start: &str, input: &str, rest: &[&str]) -> dacapo::Result<()> {
    let place = Place::of(example);
    let server = place.served(&["--store", "memory:"]);
    let base = format!("{}/runtime/webhooks/durabletask", server.host);
    let started = reqwest::Client::new().post(format!("{base}/{start}")).body(input.to_owned()).send().await?;
    assert_eq!(started.status(), 202);

    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis").join(config);
    let mut compares = Command::new("schemathesis");
    // It keeps what it found in its working directory.
    compares.current_dir(place.path("")).arg("--config-file").arg(config);
    compares.args(["run", &format!("{base}/openapi.json"), "--url", &base]).args(rest);
    let output = compares.output().expect("`schemathesis` runs");
    assert!(
        output.status.success(),
        "{}",
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
    );
    Ok(())
}

#[tokio::test]
async fn any_ids_are_answered_as_described() -> dacapo::Result<()> {
    agree("fan_out_fan_in", "unknown.toml", "orchestrators/fan_out_fan_in_orchestrator", r#"["a"]"#, &[]).await
}

/// What is there stays there, so nothing is purged.
#[tokio::test]
async fn runs_and_entities_that_exist_are_answered_as_described() -> dacapo::Result<()> {
    let kept = ["purge", "purgeMany", "deleteEntity"].map(|operation| ["--exclude-operation-id", operation]);
    agree("counter", "known.toml", "orchestrators/add_up/one", r#"{"name": "one", "add": 1, "times": 3}"#, kept.as_flattened())
        .await
}
