//! A filter that cannot be used is refused: nothing is listed, changed or deleted by a wider one.

use serde_json::json;

use crate::server::{Response, Server};

const ARGUMENT: &str = "One or more of the arguments submitted is incorrect";
const SINCE: &str = "createdTimeFrom=2020-01-01";

fn length(page: Response) -> usize {
    page.expect(200).json().as_array().expect("a list").len()
}

#[tokio::test]
async fn an_unknown_status_deletes_and_lists_nothing() {
    let server = Server::new().await;
    server.run("fan_out", "a", "[]").await;
    for statuses in ["Complete,Failedd", "Completed,Failedd", "Completed,", "", ",", "%20", "2", "Failed&runtimeStatus=Done"] {
        for refused in [
            server.delete(&format!("/instances?{SINCE}&runtimeStatus={statuses}")).await,
            server.get(&format!("/instances?runtimeStatus={statuses}")).await,
        ] {
            let why = refused.expect_error(400, ARGUMENT);
            for name in ["Pending", "Running", "Completed", "ContinuedAsNew", "Failed", "Canceled", "Terminated", "Suspended"] {
                assert!(why.contains(name) && why.contains("runtimeStatus"), "{statuses}: {why}");
            }
        }
    }
    assert_eq!(length(server.get("/instances").await), 1, "nothing was deleted");
    assert_eq!(length(server.get("/instances?runtimeStatus=COMPLETED,%20failed").await), 1);
    assert_eq!(length(server.get("/instances?runtimestatus=continuedasnew&runtimeStatus=canceled,unknown").await), 0);
    let deleted = server.delete(&format!("/instances?{SINCE}&runtimeStatus=completed")).await;
    assert_eq!(deleted.expect(200).json(), json!({"instancesDeleted": 1}));
}

#[tokio::test]
async fn a_filter_without_a_usable_value_is_refused() {
    let server = Server::new().await;
    server.run("fan_out", "a", "[]").await;
    for query in [
        "createdTimeTo=",
        "createdTimeTo=soon",
        "createdTimeTo=2020-01-01&createdTimeTo=2999-01-01",
        "createdTimeFrom=2999-01-01",
        "createdTimeFrom=",
    ] {
        server.delete(&format!("/instances?{SINCE}&{query}")).await.expect_error(400, ARGUMENT);
    }
    for query in [
        "instanceIdPrefix=",
        "instanceIdPrefix=a&INSTANCEIDPREFIX=b",
        "top=",
        "top=1&top=2",
        "top=-1",
        "createdTimeFrom=",
        "createdTimeTo=%20",
        "showInput=flase",
        "showInput=",
        "showInput=false&showInput=true",
    ] {
        server.get(&format!("/instances?{query}")).await.expect_error(400, ARGUMENT);
    }
    for query in ["lastOperationTimeFrom=", "lastOperationTimeTo=soon", "top=", "fetchState=1"] {
        server.get(&format!("/entities?{query}")).await.expect_error(400, ARGUMENT);
    }
    for flag in ["showInput", "showHistory", "showHistoryOutput", "returnInternalServerErrorOnFailure"] {
        server.get(&format!("/instances/a?{flag}=maybe")).await.expect_error(400, ARGUMENT);
        let stream = server.http.get(server.url(&format!("/instances/a?{flag}=maybe"))).header("accept", "text/event-stream");
        server.send(stream).await.expect_error(400, ARGUMENT);
    }
    for query in ["restartWithNewInstanceId=flase", "returnInternalServerErrorOnFailure=no"] {
        server.post(&format!("/instances/a/restart?{query}"), "").await.expect_error(400, ARGUMENT);
    }
    server.post("/orchestrators/fan_out?returnInternalServerErrorOnFailure=no", "[]").await.expect_error(400, ARGUMENT);
    for token in [&b"1:%FF"[..], b"1:\xff", b"x"] {
        let page = server.http.get(server.url("/instances")).header("x-ms-continuation-token", token);
        server.send(page).await.expect_error(400, ARGUMENT);
    }
    assert_eq!(
        length(server.get(&format!("/instances?{SINCE}&{SINCE}&top=5&showInput=True")).await),
        1,
        "nothing else was started"
    );
}

#[tokio::test]
async fn a_parameter_that_no_destructive_call_knows_is_refused() {
    let server = Server::new().await;
    server.run("fan_out", "a", "[]").await;
    server.post("/entities/counter/a?op=add", "1").await.expect_bare(202);
    for query in ["runtimeStatuss=Failed", "instanceIdPrefix=b", "top=1", "createdTime=2020-01-01", "status=Failed"] {
        let why = server.delete(&format!("/instances?{SINCE}&{query}")).await.expect_error(400, ARGUMENT);
        assert!(why.contains(query.split('=').next().expect("a name")) && why.contains("runtimeStatus"), "{why}");
    }
    server.delete("/instances/a?runtimeStatus=Failed").await.expect_error(400, ARGUMENT);
    server.delete("/entities/counter/a?lastOperationTimeTo=2020-01-01").await.expect_error(400, ARGUMENT);
    for operation in ["terminate", "suspend", "resume", "rewind", "restart"] {
        server.post(&format!("/instances/a/{operation}?reson=typo"), "").await.expect_error(400, ARGUMENT);
    }
    assert_eq!(length(server.get("/instances").await), 1);
    assert_eq!(length(server.get("/entities").await), 1);
    let common = "taskHub=x&connection=&code=&showInput=false&showHistory=true&returnInternalServerErrorOnFailure=true";
    server.delete(&format!("/instances/a?{common}")).await.expect(200);
}
