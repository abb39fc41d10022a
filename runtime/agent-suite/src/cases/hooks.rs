//! Programs that run at certain moments.

use serde_json::json;
use ttrpc::Code;

use crate::container::Wanted;
use crate::guest::Guest;
use crate::trouble::{Trouble, contains, equal, refused};

fn hook(kind: &str) -> serde_json::Value {
    let path = Guest::shared("suite-hooks/run").display().to_string();
    json!([{"path": path, "args": ["run", kind], "env": ["PATH=/bin:/usr/bin"]}])
}

pub(super) async fn each_at_its_moment(guest: &Guest) -> Result<(), Trouble> {
    // The program is the guest's own shell: hooks of the runtime run in the guest.
    let folder = Guest::shared("suite-hooks");
    let log = folder.join("log");
    let script = format!(
        "#!/bin/sh\nread -r state\nstate=${{state#*\\\"status\\\":\\\"}}\n\
         echo $1 ${{state%%\\\"*}} >> {}\n",
        log.display()
    );
    guest.write(&folder.join("run"), 0o755, script.as_bytes()).await?;
    let kinds = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];
    let mut wanted = Wanted::script("hooks-all", "sleep 1000").with("/hooks", json!({}));
    for kind in kinds {
        wanted = wanted.with(&format!("/hooks/{kind}"), hook(kind));
    }
    let container = wanted.start(guest).await?;
    container.remove().await?;
    let reader = Wanted::script("hooks-read", "cat /log").mounting(json!({
        "destination": "/log", "type": "bind", "source": log, "options": ["bind", "ro"],
    }));
    let said = reader.run(guest).await?.out;
    let names: Vec<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
    equal("the order", &names, &kinds.to_vec())?;
    contains("the last one's state", &said, "poststop stopped")?;
    contains("the state at the start", &said, "poststart running")?;
    guest.write(&log, 0o644, b"").await
}

pub(super) async fn a_failing_one_stops_it(guest: &Guest) -> Result<(), Trouble> {
    let wanted = Wanted::script("hooks-fail", "true").with(
        "/hooks",
        json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo no >&2; exit 3"]}]}),
    );
    let answer = wanted.ask(guest).await;
    refused("the container", answer, Code::INTERNAL, "ended with 3 and said: no")?;
    let ended = Wanted::script("hooks-fail", "exit 6").run(guest).await?;
    equal("the next one", &ended.code, &6)
}
