//! Bodies over HTTP.

use std::net::SocketAddr;

use dacapo::Runtime;
use dacapo::http::Api;

use crate::nested;

#[tokio::test]
async fn bodies_are_bounded_like_every_value() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    let app = Api::new(runtime.client()).router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await });
    runtime.start(crate::stored::passes_on()).id("waits").await?;
    let http = reqwest::Client::new();
    let base = format!("http://{address}/runtime/webhooks/durabletask");
    let objects = format!("{}1{}", r#"{"a":"#.repeat(15_000), "}".repeat(15_000));
    for path in ["/orchestrators/accepts", "/instances/waits/raiseEvent/parts", "/entities/Shelf/outside?op=put"] {
        for (body, levels) in [(nested(101), 101), (nested(40_000), 40_000), (objects.clone(), 15_000)] {
            let asked = http.post(format!("{base}{path}")).header("content-type", "application/json").body(body);
            let answer = asked.send().await?;
            let (status, text) = (answer.status().as_u16(), answer.text().await?);
            assert_eq!(status, 400, "{path}: {text}");
            assert!(text.contains(&format!("{levels} levels")), "{path}: {text}");
        }
    }
    for operation in ["suspend", "resume", "terminate", "rewind"] {
        let asked = http.post(format!("{base}/instances/waits/{operation}?reason={}", "r".repeat(8_193)));
        let answer = asked.send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        assert_eq!(status, 400, "{operation}: {text}");
        assert!(text.contains("8192"), "{operation}: {text}");
    }
    Ok(())
}
