"""A client as one writes it for Azure Durable Functions. It knows a host and nothing of who serves there.

    python3 durable_functions_client.py start HOST PATH [JSON]   start, follow the Location until the end, print the output
    python3 durable_functions_client.py manage HOST NAME JSON    send an instance through its management URLs

Only the standard library is used, so that it runs wherever Python does.
"""

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def request(method, url, body=None):
    """One request; the answer is its status, its headers, and the body as JSON."""
    headers = {} if body is None else {"Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method))
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read().decode()
        return answer.status, answer.headers, json.loads(text) if text else None


def start(host, path, body=None):
    """Step 1: the HTTP starter answers 202 with the management URLs."""
    status, headers, payload = request("POST", host + path, body)
    assert status == 202, (status, payload)
    assert headers["Location"] == payload["statusQueryGetUri"], headers
    assert headers["Retry-After"] == "10", headers
    assert headers["Content-Type"] == "application/json; charset=utf-8", headers
    for name in ("sendEventPostUri", "terminatePostUri", "rewindPostUri", "purgeHistoryDeleteUri", "restartPostUri"):
        assert payload[name].startswith(host), payload
    return headers["Location"], payload


def poll(location):
    """Step 2: the Location is asked until it no longer answers 202."""
    deadline = time.monotonic() + 60
    while True:
        status, headers, payload = request("GET", location)
        if status != 202:
            return status, payload
        assert payload["runtimeStatus"] in ("Pending", "Running"), payload
        assert headers["Retry-After"] == "5" and headers["Location"] == location, headers
        assert time.monotonic() < deadline, payload
        # A real client honours Retry-After; a test is in a hurry.
        time.sleep(0.05)


def run(host, path, body=None):
    location, payload = start(host, path, body)
    status, state = poll(location)
    assert status == 200 and state["runtimeStatus"] == "Completed", (status, state)
    assert state["instanceId"] == payload["id"], state
    print(json.dumps(state["output"]))
    # Step 3: the history, and a second run that is waited for.
    status, _, state = request("GET", location + "&showHistory=true&showHistoryOutput=true")
    events = state["historyEvents"]
    assert status == 200 and events[0]["EventType"] == "ExecutionStarted", events
    assert events[-1]["Result"] == state["output"], events


def manage(host, name, body):
    location, payload = start(host, "/runtime/webhooks/durabletask/orchestrators/" + name, body)
    assert poll(location)[0] == 200
    # Whoever has ended hears no event and cannot be terminated.
    assert request("POST", payload["sendEventPostUri"].replace("{eventName}", "go"), 1)[0] == 410
    assert request("POST", payload["terminatePostUri"].replace("{text}", "enough"))[0] == 410
    status, _, again = request("POST", payload["restartPostUri"])
    assert status == 202 and again["id"] != payload["id"], again
    assert poll(again["statusQueryGetUri"])[0] == 200
    status, headers, page = request("GET", host + "/runtime/webhooks/durabletask/instances?top=1&runtimeStatus=Completed")
    assert (status, len(page)) == (200, 1) and headers["x-ms-continuation-token"], page
    assert request("DELETE", payload["purgeHistoryDeleteUri"])[2] == {"instancesDeleted": 1}
    assert request("GET", location)[0] == 404
    print("managed")


if __name__ == "__main__":
    what, host, path, *rest = sys.argv[1:]
    {"start": run, "manage": manage}[what](host, path, *map(json.loads, rest))
