//! A server that is compatible with AWS (S3, SNS, SQS): moto, on loopback. Taken from `PATH`, else installed by pip,
//! once, below `target`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use hummingbird_status::archive::s3;
use hummingbird_status::platform::aws::http_client;

/// With what `pip` finds for it; only tests run it, and only on loopback.
const PACKAGE: &str = "moto[server,s3,sqs]==5.2.1";

/// A running server; ends with this, or with the process.
pub struct Moto {
    /// Where it listens.
    pub endpoint: String,
    child: Child,
}

impl Moto {
    /// Starts one. `None`, and a line on standard error, where there is no Python to run it with.
    pub async fn start() -> Option<Self> {
        static PROGRAM: LazyLock<Option<PathBuf>> = LazyLock::new(program);
        let program = tokio::task::spawn_blocking(|| PROGRAM.clone()).await.unwrap()?;
        // The shell ends the server when its input ends, which it does with this process, however that ends.
        let mut command = Command::new("sh");
        command.args(["-c", "exec 2>&1; \"$0\" -H 127.0.0.1 -p 0 & read -r _; kill $!; wait $!"]).arg(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It takes a free port itself: one that is looked for here may be another test's by then.
        let endpoint = tokio::task::spawn_blocking(move || {
            let endpoint =
                lines.by_ref().find_map(|line| Some(line.ok()?.split_once("Running on ")?.1.trim().to_owned()));
            std::thread::spawn(move || lines.for_each(drop));
            endpoint.expect("moto_server says where it listens")
        });
        Some(Self { endpoint: endpoint.await.unwrap(), child })
    }

    /// The configuration of its clients.
    pub fn aws(&self) -> SdkConfig {
        aws(&self.endpoint)
    }

    /// A bucket with objects.
    pub async fn bucket(&self, name: &str, objects: &[(String, Vec<u8>)]) {
        // A server of a test, which now and then drops a connection.
        let retrying = self.aws().into_builder().retry_config(RetryConfig::standard().with_max_attempts(5)).build();
        let s3 = s3::client(&retrying, true);
        s3.create_bucket().bucket(name).send().await.unwrap();
        let mut puts = tokio::task::JoinSet::new();
        for (key, bytes) in objects {
            if puts.len() >= 8 {
                puts.join_next().await.unwrap().unwrap();
            }
            let put = s3.put_object().bucket(name).key(key).body(bytes.clone().into());
            puts.spawn(async move { drop(put.send().await.unwrap()) });
        }
        puts.join_all().await;
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.stdin.take();
        self.child.wait().ok();
    }
}

/// The configuration of clients of a server on loopback.
pub fn aws(endpoint: &str) -> SdkConfig {
    let credentials = aws_sdk_sqs::config::Credentials::new("x", "x", None, None, "test");
    SdkConfig::builder()
        .http_client(http_client())
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .region(aws_config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build()
}

fn program() -> Option<PathBuf> {
    let works = |program: &PathBuf| {
        let help = Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
        help.is_ok_and(|status| status.success())
    };
    let of_path = PathBuf::from("moto_server");
    if works(&of_path) {
        return Some(of_path);
    }
    let venv = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("moto-venv");
    let installed = venv.join("bin/moto_server");
    if !works(&installed) {
        let python = venv.join("bin/python");
        let run = |command: &mut Command| command.stdout(Stdio::null()).status().is_ok_and(|status| status.success());
        let made = run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
            && run(Command::new(python).args(["-m", "pip", "install", "--quiet", PACKAGE]));
        if !made || !works(&installed) {
            eprintln!(
                "no test against S3: moto_server is not on PATH, and cannot be installed into {}",
                venv.display()
            );
            return None;
        }
    }
    Some(installed)
}
