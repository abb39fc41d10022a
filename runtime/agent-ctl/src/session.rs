//! A connection to an agent, over which commands run one after the other.

use std::time::Duration;

use kata_agent_api::connect::{self, Address};
use protobuf::MessageDyn;
use protobuf::reflect::FieldDescriptor;
use protobuf_json_mapping::PrintOptions;
use ttrpc::asynchronous::Client;
use ttrpc::proto::Request;

use crate::catalogue::{self, Method};
use crate::command::{BUILT_IN, Command, Error};

/// Stands for "no limit" where a limit has to be named.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Where to connect and how to talk.
pub struct Session {
    /// Where the agent listens.
    pub address: Address,
    /// How long to wait for a connection, and for each answer.
    pub timeout: Option<Duration>,
    /// Print fields that have their default value, too.
    pub defaults: bool,
}

impl Session {
    /// Runs all commands `repeat` times, until one fails unless failures are to be
    /// ignored; those are printed.
    ///
    /// Connects when the first RPC is due, so that built-in commands need no agent.
    pub async fn run(
        &self,
        commands: &[Command],
        repeat: u64,
        ignore_errors: bool,
    ) -> Result<(), Error> {
        let mut client = None;
        for _ in 0..repeat {
            for command in commands {
                if matches!(command, Command::Quit) {
                    return Ok(());
                }
                match self.step(&mut client, command).await {
                    Err(error) if ignore_errors => {
                        eprintln!("kata-agent-ctl: {}", crate::chain(&error));
                    }
                    other => other?,
                }
            }
        }
        Ok(())
    }

    async fn step(&self, client: &mut Option<Client>, command: &Command) -> Result<(), Error> {
        match command {
            Command::Echo(text) => println!("{text}"),
            Command::List => {
                for method in catalogue::methods() {
                    println!("{}", signature(&method));
                }
            }
            Command::Help(method) => help(method.as_ref()),
            Command::Quit => {}
            Command::Sleep(time) => tokio::time::sleep(*time).await,
            Command::Call(method, request) => {
                let connected = match client.take() {
                    Some(connected) => connected,
                    None => {
                        let deadline = self.timeout.unwrap_or(FOR_EVER);
                        connect::connect_to(&self.address, deadline).await?
                    }
                };
                let answer = self.call(&connected, method, request.as_ref()).await;
                // A connection that broke is of no more use; the next call makes a
                // new one.
                if !matches!(answer, Err((true, _))) {
                    *client = Some(connected);
                }
                println!("{}", answer.map_err(|(_, error)| error)?);
            }
        }
        Ok(())
    }

    /// Calls one RPC and returns its answer as JSON. The error says whether the
    /// connection is broken.
    async fn call(
        &self,
        client: &Client,
        method: &Method,
        request: &dyn MessageDyn,
    ) -> Result<String, (bool, Error)> {
        let name = || method.name.clone();
        let unreadable = |reason: String| (false, Error::Answer { method: name(), reason });
        let payload =
            request.write_to_bytes_dyn().map_err(|error| unreadable(error.to_string()))?;
        let nanoseconds = self.timeout.map_or(0, |time| time.as_nanos());
        tracing::debug!(method = method.name, bytes = payload.len(), "call");
        let request = Request {
            service: method.service.clone(),
            method: method.name.clone(),
            payload,
            timeout_nano: i64::try_from(nanoseconds).unwrap_or(i64::MAX),
            ..Request::default()
        };
        let response = client.request(request).await.map_err(|error| {
            let broken = !matches!(error, ttrpc::Error::RpcStatus(_));
            (broken, Error::call(&method.name, &error))
        })?;
        let mut message = method.response.new_instance();
        message
            .merge_from_bytes_dyn(&response.payload)
            .map_err(|error| unreadable(error.to_string()))?;
        let options = PrintOptions {
            proto_field_name: true,
            always_output_default_values: self.defaults,
            ..PrintOptions::default()
        };
        protobuf_json_mapping::print_to_string_with_options(message.as_ref(), &options)
            .map_err(|error| unreadable(error.to_string()))
    }
}

fn help(method: Option<&Method>) {
    let Some(method) = method else {
        println!("Commands: {}", BUILT_IN.join(", "));
        println!("RPCs take json://{{…}}, file://path or name=value pairs; help RPC shows fields:");
        for method in catalogue::methods() {
            println!("  {}", method.name);
        }
        return;
    };
    println!("{}: {} -> {}", method.name, method.request.full_name(), method.response.full_name());
    for field in method.request.fields() {
        println!("  {} = {}", field.name(), kind(&field));
    }
}

/// A method with the names and types of its arguments, on one line.
fn signature(method: &Method) -> String {
    let fields = method.request.fields();
    let arguments: Vec<String> =
        fields.map(|field| format!("{}={}", field.name(), kind(&field))).collect();
    format!("{} {}", method.name, arguments.join(" ")).trim_end().to_owned()
}

/// The type of a field, `[]` behind what may be given many times.
fn kind(field: &FieldDescriptor) -> String {
    let proto = field.proto();
    let kind = match proto.type_name().trim_start_matches('.') {
        "" => format!("{:?}", proto.type_()).trim_start_matches("TYPE_").to_lowercase(),
        name => name.to_owned(),
    };
    if field.is_singular() { kind } else { format!("{kind}[]") }
}
