//! `orderstream top` over real workers: what it says is what they did, and one that is gone does not end it.

use orderstream_harness::traffic::{Shape, Traffic};
use serde_json::Value as Json;

use super::asking::Said;
use super::events::now_micros;
use super::stage::Stage;
use super::under_load::metric;

/// Runs `top` with these arguments; its output is no terminal.
fn top(stage: &Stage, arguments: &str) -> Said {
    let arguments: Vec<&str> = ["top"].into_iter().chain(arguments.split_whitespace()).collect();
    let output = stage.program.output(&stage.config_path(), &arguments).expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test]
async fn a_screen_says_what_the_workers_do_and_which_of_them_is_gone() {
    let stage = Stage::new("top", 4).await;
    let worker = stage.worker("w");
    let mut producer = stage.producer().await;
    for planned in Traffic::new(Shape { malformed: 0.1, ..Shape::usual(60, 7, now_micros()) }) {
        producer.send(&planned).expect("sent");
    }
    producer.flush().expect("kafka has it");
    stage.all_published().await;
    let orders = stage.rows::<(i64,)>("select count(*) from orders").await[0].0;
    #[expect(clippy::cast_precision_loss, reason = "some dozens")]
    let orders = orders as f64;
    stage.until("the orders to be counted", async || Ok(metric(&worker, "orderstream_orders{").await == orders)).await;

    let here = format!("--url http://{}/metrics", worker.metrics());
    let screen = top(&stage, &format!("{here} --interval 200ms -o json")).json(0);
    let list = |name: &str| screen[name].as_array().expect("a list").clone();
    let sum = |name: &str| list(name).iter().map(|stock| stock["count"].as_f64().expect("a number")).sum::<f64>();
    let lanes: Vec<Json> = list("lanes").iter().map(|lane| lane["lane"].clone()).collect();
    assert_eq!(lanes.len(), 4, "{screen:#}");
    let name = worker.metrics().to_string();
    assert!(list("lanes").iter().all(|lane| lane["owner"] == name && lane["lag_records"] == 0.0), "{screen:#}");
    assert_eq!(sum("orders").to_bits(), orders.to_bits());
    assert_eq!((&screen["workers"][0]["lanes_owned"], &screen["workers"][0]["error"]), (&4.0.into(), &Json::Null));
    assert!(screen["workers"][0]["memory_bytes"].as_f64().expect("a size") > 1e6, "{screen:#}");
    assert_eq!(screen["topics"][0]["records_per_second"], 0.0, "everything was read before");

    let both = format!("{here} --url 127.0.0.1:9 --once --sort lane");
    let said = top(&stage, &both);
    assert_eq!(said.code, 0, "{said:?}");
    for says in [
        "! 127.0.0.1:9 does not answer",
        "dead letters that wait for somebody: ",
        "\nlanes\n  lane  owner",
        "\norders\n",
        &name,
    ] {
        assert!(said.out.contains(says), "{says} is not in\n{}", said.out);
    }
    assert_eq!(top(&stage, "--url 127.0.0.1:9 --interval 200ms").code, 69, "nobody answers");
    stage.finish([worker]).await;
}

/// Starts a program on a terminal of its own, takes the terminal away once an answer stands on it, and prints how the program ended.
const TERMINAL_GONE: &str = r#"
import fcntl, os, pty, signal, struct, sys, termios

child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))

def give_up(*_):
    os.kill(child, signal.SIGKILL)

signal.signal(signal.SIGALRM, give_up)
signal.alarm(30)
seen = b""
# An answer was drawn, so keys and signals are listened to.
while b"answer" not in seen:
    seen += os.read(terminal, 65536)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

#[test]
fn a_screen_whose_terminal_is_gone_ends() {
    let words = ["-c", TERMINAL_GONE, env!("CARGO_BIN_EXE_orderstream"), "top", "--url", "127.0.0.1:9"];
    let output = std::process::Command::new("python3").args(words).env("TERM", "xterm").output().expect("python3");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "{said}");
}
