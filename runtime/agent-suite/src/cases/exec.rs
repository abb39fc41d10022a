//! Further programs in a container.

use serde_json::json;
use ttrpc::Code;

use crate::container::{Wanted, shell};
use crate::guest::Guest;
use crate::trouble::{Trouble, call, contains, equal, refused};

pub(super) async fn programs_beside_the_first(guest: &Guest) -> Result<(), Trouble> {
    let container = Wanted::script("exec-beside", "sleep 1000").start(guest).await?;
    let ended =
        container.exec("one", "echo $0 here; echo there >&2; exit 9").await?.ended().await?;
    equal("the end", &(ended.code, ended.err.as_str()), &(9, "there\n"))?;
    let seen = container.output("two", "cat /proc/1/cmdline | tr '\\0' ' '; hostname").await?;
    contains("what it sees", &seen, "sleep 1000")?;
    contains("what it sees", &seen, "suite")?;
    let process = json!({
        "user": {"uid": 33, "gid": 34, "additionalGids": [29]},
        "args": ["sh", "-c", "id -u; id -G; pwd; echo $COLOUR; echo $HOME"],
        "env": ["PATH=/bin", "COLOUR=blue"],
        "cwd": "/tmp",
    });
    let asked = container.ask_exec("three", process).await.map_err(call("ExecProcess"))?;
    equal("its user", &asked.ended().await?.out.as_str(), &"33\n34 29\n/tmp\nblue\n/var/www\n")?;
    let running = container.exec("four", "sleep 1000").await?;
    let answer = container.ask_exec("four", shell("true")).await.map(drop);
    refused("a second one of that name", answer, Code::ALREADY_EXISTS, "four")?;
    running.signal(15).await?;
    equal("the killed one", &running.wait().await?, &143)?;
    // Its name is free again, since its end was told.
    equal("the next", &container.output("four", "echo again").await?.as_str(), &"again")?;
    let answer = container
        .ask_exec(
            "five",
            json!({"args": ["nothing"], "cwd": "/",
        "user": {"uid": 0, "gid": 0}}),
        )
        .await
        .map(drop);
    refused("no such program", answer, Code::INTERNAL, "nothing")?;
    let answer = container.ask_exec("../x", shell("true")).await.map(drop);
    refused("a path for a name", answer, Code::INVALID_ARGUMENT, "../x")?;
    container.remove().await
}

pub(super) async fn a_terminal_of_its_own(guest: &Guest) -> Result<(), Trouble> {
    let container = Wanted::script("exec-tty", "sleep 1000").start(guest).await?;
    let mut process = shell("tty; read line; echo \"<$line>\"");
    if let Some(map) = process.as_object_mut() {
        map.insert("terminal".to_owned(), json!(true));
    }
    let running = container.ask_exec("tty", process).await.map_err(call("ExecProcess"))?;
    running.read_until("/dev/pts/").await?;
    running.write(b"typed\n").await?;
    let rest = running.read_all(false).await?;
    contains("the answer", &String::from_utf8_lossy(&rest), "<typed>")?;
    equal("the exit code", &running.wait().await?, &0)?;
    container.remove().await
}

pub(super) async fn none_in_a_stopped_container(guest: &Guest) -> Result<(), Trouble> {
    let container = Wanted::script("exec-stopped", "exit 0").start(guest).await?;
    container.first().wait().await?;
    let answer = container.ask_exec("late", shell("true")).await.map(drop);
    refused("a late one", answer, Code::FAILED_PRECONDITION, "stopped")?;
    container.remove().await
}
