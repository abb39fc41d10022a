//! A small HTTP server on the loopback device for the store's tests: it counts,
//! remembers and answers as each test wants. It must not know the store.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use url::Url;

/// One request's first line and headers; names are in lower case.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    pub target: String,
    headers: Vec<(String, String)>,
    /// How many requests for this target came before.
    pub earlier: usize,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What to answer.
pub struct Reply {
    pub status: &'static str,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    /// The announced length; `None` ends the body by closing the connection.
    pub length: Option<usize>,
    /// Send the body byte by byte, with a little time between.
    pub trickling: bool,
    /// Send the head that way.
    pub slow_head: bool,
    /// After the body stay silent until the client hangs up.
    pub silent: bool,
}

impl Reply {
    pub fn ok(body: &[u8]) -> Self {
        let length = Some(body.len());
        Self {
            status: "200 OK",
            headers: Vec::new(),
            body: body.to_vec(),
            length,
            trickling: false,
            slow_head: false,
            silent: false,
        }
    }

    pub fn status(status: &'static str) -> Self {
        Self { status, ..Self::ok(b"an error page") }
    }

    /// Honours `Range`, as a file server does.
    pub fn ranged(call: &Call, body: &[u8]) -> Self {
        let from = call.header("range").and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        match from {
            None => Self::ok(body),
            Some(from) if from >= body.len() => Self::status("416 Range Not Satisfiable"),
            Some(from) => {
                let range =
                    format!("Content-Range: bytes {from}-{}/{}", body.len() - 1, body.len());
                let mut reply = Self::ok(&body[from..]);
                reply.status = "206 Partial Content";
                reply.headers.push(range);
                reply
            }
        }
    }

    /// Announces everything and hangs up after `count` bytes.
    pub fn cut(mut self, count: usize) -> Self {
        self.body.truncate(count);
        self
    }

    pub fn with(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }
}

type Handler = dyn Fn(&Call) -> Reply + Send + Sync;

/// Serves until it is dropped.
pub struct Server {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    connections: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(handler: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let closing = Arc::new(AtomicBool::new(false));
        let handler: Arc<Handler> = Arc::new(handler);
        let (log, count, end) = (calls.clone(), connections.clone(), closing.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let (log, handler) = (log.clone(), handler.clone());
                thread::spawn(move || serve(stream.unwrap(), &log, &*handler));
            }
        });
        Self { address, calls, connections, closing, thread: Some(thread) }
    }

    /// A server that gives one file, with ranges.
    pub fn file(body: &[u8]) -> Self {
        let body = body.to_vec();
        Self::start(move |call| Reply::ranged(call, &body))
    }

    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}/{path}", self.address)).unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Answers requests on one connection until either side has enough.
fn serve(stream: TcpStream, log: &Mutex<Vec<Call>>, handler: &Handler) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(mut call) = read_call(&mut reader) {
        {
            let mut log = log.lock().unwrap();
            call.earlier = log.iter().filter(|other| other.target == call.target).count();
            log.push(call.clone());
        }
        let reply = handler(&call);
        let mut head = format!("HTTP/1.1 {}\r\n", reply.status);
        for header in &reply.headers {
            head += &format!("{header}\r\n");
        }
        match reply.length {
            Some(length) => head += &format!("Content-Length: {length}\r\n\r\n"),
            None => head += "Connection: close\r\n\r\n",
        }
        // The client may hang up at any byte; that is for its test to judge.
        let parts = [(head.as_bytes(), reply.slow_head), (&reply.body[..], reply.trickling)];
        for (bytes, slow) in parts {
            let sent = if slow { trickle(&mut stream, bytes) } else { stream.write_all(bytes) };
            if sent.is_err() {
                return;
            }
        }
        if reply.silent {
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        }
        if reply.length != Some(reply.body.len()) {
            return;
        }
    }
}

/// Between two bytes it listens for a client that has had enough.
fn trickle(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(5)))?;
    for byte in body {
        stream.write_all(&[*byte])?;
        if stream.read(&mut [0]).is_ok() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
    stream.set_read_timeout(None)
}

fn read_call(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(Call { method, target, headers, earlier: 0 })
}
