//! What goes in and what comes out.

use kata_agent_api::agent::{CloseStdinRequest, TtyWinResizeRequest};
use serde_json::json;
use ttrpc::Code;

use crate::container::Wanted;
use crate::guest::Guest;
use crate::trouble::{Trouble, call, contains, equal, refused};

pub(super) async fn input_comes_out_again(guest: &Guest) -> Result<(), Trouble> {
    // More than any pipe holds, so that both directions must go at once.
    let container = Wanted::program("streams-cat", &["cat"]).start(guest).await?;
    let piece: Vec<u8> = (0..=u8::MAX).cycle().take(256 << 10).collect();
    let first = container.first();
    let write = async {
        for _ in 0..8 {
            first.write(&piece).await?;
        }
        first.write(b"").await
    };
    let (written, ended) = tokio::join!(write, first.read_all(false));
    written?;
    let came = ended?;
    equal("the number of bytes", &came.len(), &(piece.len() * 8))?;
    equal("the bytes", &came.chunks(piece.len()).all(|chunk| chunk == piece), &true)?;
    equal("the exit code", &first.wait().await?, &0)?;
    container.remove().await
}

pub(super) async fn bytes_of_every_kind(guest: &Guest) -> Result<(), Trouble> {
    let script = "read line; echo \"got $line\"; read more || echo end; \
                  dd if=/dev/zero bs=64k count=32 2>/dev/null";
    let container = Wanted::script("streams-end", script).start(guest).await?;
    let first = container.first();
    first.write(b"a line\n").await?;
    let request = CloseStdinRequest {
        container_id: container.id.clone(),
        exec_id: container.id.clone(),
        ..Default::default()
    };
    guest.rpc.close_stdin(guest.soon(), &request).await.map_err(call("CloseStdin"))?;
    let out = first.read_all(false).await?;
    let text = b"got a line\nend\n";
    equal("the first bytes", &out.get(..text.len()), &Some(text.as_slice()))?;
    equal("the number of bytes", &out.len(), &(text.len() + (2 << 20)))?;
    let request = TtyWinResizeRequest {
        container_id: container.id.clone(),
        exec_id: container.id.clone(),
        row: 1,
        column: 1,
        ..Default::default()
    };
    let answer = guest.rpc.tty_win_resize(guest.soon(), &request).await;
    refused("a size without a terminal", answer, Code::FAILED_PRECONDITION, "terminal")?;
    container.remove().await
}

pub(super) async fn a_terminal_has_a_size(guest: &Guest) -> Result<(), Trouble> {
    let script = "trap 'stty size; exit 0' WINCH; tty; stty size; echo ready; \
                  while :; do sleep 0.1; done";
    let wanted = Wanted::script("streams-tty", script)
        .with("/process/terminal", json!(true))
        .with("/process/consoleSize", json!({"height": 25, "width": 80}));
    let container = wanted.start(guest).await?;
    let first = container.first();
    let said = first.read_until("ready\r\n").await?;
    contains("the terminal", &said, "/dev/pts/0")?;
    contains("its size", &said, "25 80")?;
    let request = TtyWinResizeRequest {
        container_id: container.id.clone(),
        exec_id: container.id.clone(),
        row: 40,
        column: 132,
        ..Default::default()
    };
    guest.rpc.tty_win_resize(guest.soon(), &request).await.map_err(call("TtyWinResize"))?;
    let rest = first.read_all(false).await?;
    contains("its new size", &String::from_utf8_lossy(&rest), "40 132")?;
    equal("the exit code", &first.wait().await?, &0)?;
    container.remove().await
}
