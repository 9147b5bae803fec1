//! A server that is compatible with AWS (S3, SNS, SQS): moto, on loopback. Taken from `PATH`, else installed by pip, once, below `target`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use aws_config::SdkConfig;
use hummingbird_status::archive::s3;
use hummingbird_status::aws::http_client;

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
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        // The shell ends the server when its input ends, which it does with this process, however that ends.
        let mut command = Command::new("sh");
        command.args(["-c", "\"$0\" -H 127.0.0.1 -p \"$1\" & read -r _; kill $!; wait $!"]).arg(program);
        command.arg(port.to_string()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Self { endpoint: format!("http://127.0.0.1:{port}"), child: command.spawn().unwrap() };
        for _ in 0..600 {
            if TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
                return Some(moto);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("moto_server does not listen on port {port}");
    }

    /// What clients of it are made of.
    pub fn aws(&self) -> SdkConfig {
        aws(&self.endpoint)
    }

    /// A bucket with objects.
    pub async fn bucket(&self, name: &str, objects: &[(String, Vec<u8>)]) {
        let s3 = s3::client(&self.aws(), true);
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

/// What clients of a server on loopback are made of.
pub fn aws(endpoint: &str) -> SdkConfig {
    let credentials = aws_sdk_sqs::config::Credentials::new("x", "x", None, None, "test");
    SdkConfig::builder()
        .http_client(http_client())
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .region(aws_config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_sqs::config::SharedCredentialsProvider::new(credentials))
        .retry_config(aws_config::retry::RetryConfig::disabled())
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
