//! A wire before a broker that is none: it answers each request with the same number, and an error that says how many it saw.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicI16, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::{Action, Api, Request, Wire};
use crate::wait;

const PATIENCE: Duration = Duration::from_secs(20);
/// What does not come within so long does not come: of something that must not happen nothing can be waited for.
const SILENCE: Duration = Duration::from_millis(200);

/// What arrives at the broker: the epochs of `EndTxn` requests.
type Arrived = mpsc::Receiver<i16>;

fn broker() -> (String, Arrived) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (tell, told) = mpsc::channel();
    let count = Arc::new(AtomicI16::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell, count) = (stream.expect("a connection"), tell.clone(), count.clone());
            std::thread::spawn(move || {
                while let Some(frame) = frame(&mut stream) {
                    let request = Request::read(&frame.into()).expect("a request");
                    _ = tell.send(request.epoch);
                    let mut answer = 10_i32.to_be_bytes().to_vec();
                    answer.extend(request.correlation.to_be_bytes());
                    answer.extend([0; 4]);
                    answer.extend((count.fetch_add(1, Ordering::SeqCst) + 1).to_be_bytes());
                    _ = stream.write_all(&answer);
                }
            });
        }
    });
    (address, told)
}

fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut size = [0; 4];
    stream.read_exact(&mut size).ok()?;
    let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size)).expect("a size")];
    stream.read_exact(&mut frame).ok()?;
    Some(frame)
}

struct Client(TcpStream);

impl Client {
    fn of(wire: &Wire) -> Self {
        let stream = TcpStream::connect(wire.address()).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(stream)
    }

    /// Sends an `EndTxn` whose epoch and number are this.
    fn end(&mut self, epoch: i16) {
        let mut frame = vec![0, 26, 0, 1];
        frame.extend(i32::from(epoch).to_be_bytes());
        frame.extend([0, 1, b'c', 0, 1, b't']);
        frame.extend(7_i64.to_be_bytes());
        frame.extend(epoch.to_be_bytes());
        frame.push(1);
        let mut sized = i32::try_from(frame.len()).expect("short").to_be_bytes().to_vec();
        sized.extend(frame);
        self.0.write_all(&sized).expect("sent");
    }

    /// The number of the next answer.
    fn hears(&mut self) -> i32 {
        let frame = frame(&mut self.0).expect("an answer");
        i32::from_be_bytes(frame[..4].try_into().expect("four bytes"))
    }

    fn hears_nothing(&mut self) -> bool {
        self.0.set_read_timeout(Some(SILENCE)).expect("a timeout");
        let heard = self.0.read(&mut [0; 1]);
        self.0.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        heard.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    fn is_broken(&mut self) -> bool {
        self.0.read(&mut [0; 1]).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
    }
}

fn is_end(request: &Request) -> bool {
    request.api == Api::EndTxn
}

fn until(condition: impl Fn() -> bool) {
    wait::blocking(PATIENCE, "what the wire must do", condition).unwrap();
}

fn next(arrived: &Arrived) -> i16 {
    arrived.recv_timeout(PATIENCE).expect("it arrives")
}

fn none(arrived: &Arrived) -> bool {
    arrived.recv_timeout(SILENCE).is_err()
}

#[test]
fn what_is_held_holds_what_is_behind_it_and_arrives_though_its_sender_is_gone() {
    let (server, arrived) = broker();
    let wire = Wire::to(&server).expect("a wire");
    let rule = wire.rule(1, is_end, Action::Hold);
    let (mut held, mut other) = (Client::of(&wire), Client::of(&wire));
    held.end(1);
    until(|| rule.caught().len() == 1);
    held.end(2);
    other.end(3);
    assert_eq!((next(&arrived), other.hears()), (3, 3));
    drop(held);
    assert!(none(&arrived));
    rule.release();
    assert_eq!((next(&arrived), next(&arrived)), (1, 2));
    until(|| rule.errors() == [2]);
    assert_eq!(rule.caught()[0].producer, 7);
}

#[test]
fn a_client_that_was_broken_off_may_send_again_before_what_it_sent_arrives() {
    let (server, arrived) = broker();
    let wire = Wire::to(&server).expect("a wire");
    let rule = wire.rule(1, is_end, Action::HoldAndBreak);
    let mut first = Client::of(&wire);
    first.end(1);
    assert!(first.is_broken());
    let mut second = Client::of(&wire);
    second.end(2);
    assert_eq!((next(&arrived), second.hears()), (2, 2));
    rule.release();
    assert_eq!(next(&arrived), 1);
    until(|| rule.errors() == [2]);
}

#[test]
fn what_is_dropped_or_discarded_never_arrives_and_the_rest_does() {
    let (server, arrived) = broker();
    let wire = Wire::to(&server).expect("a wire");
    let (dropped, held) = (wire.rule(1, is_end, Action::Drop), wire.rule(1, is_end, Action::Hold));
    let mut client = Client::of(&wire);
    client.end(1);
    client.end(2);
    until(|| held.caught().len() == 1);
    held.discard();
    client.end(3);
    assert_eq!((next(&arrived), client.hears()), (3, 3));
    assert_eq!((dropped.caught().len(), dropped.errors().len(), held.errors().len()), (1, 0, 0));
}

#[test]
fn a_copy_arrives_at_once_later_or_elsewhere_and_its_answer_is_not_heard() {
    let (server, arrived) = broker();
    let wire = Wire::to(&server).expect("a wire");
    for (action, waits) in [
        (Action::Repeat, false),
        (Action::RepeatLater, true),
        (Action::RepeatElsewhere, true),
        (Action::RepeatLater, true),
    ] {
        let rule = wire.rule(1, is_end, action);
        let mut client = Client::of(&wire);
        client.end(1);
        assert_eq!((next(&arrived), client.hears()), (1, 1));
        client.end(2);
        assert_eq!(client.hears(), 2);
        if waits {
            assert_eq!(next(&arrived), 2);
            assert!(none(&arrived));
            rule.release();
            assert_eq!(next(&arrived), 1);
        } else {
            assert_eq!((next(&arrived), next(&arrived)), (1, 2));
        }
        until(|| rule.errors().len() == 1);
        assert!(client.hears_nothing());
    }
}

#[test]
fn answers_are_held_lost_or_broken_off_and_the_requests_arrived() {
    let (server, arrived) = broker();
    let wire = Wire::to(&server).expect("a wire");
    let (held, lost) = (wire.rule(1, is_end, Action::HoldAnswer), wire.rule(1, is_end, Action::DropAnswer));
    let mut client = Client::of(&wire);
    client.end(1);
    assert_eq!(next(&arrived), 1);
    assert!(client.hears_nothing());
    held.release();
    assert_eq!(client.hears(), 1);
    client.end(2);
    client.end(3);
    assert_eq!((next(&arrived), next(&arrived), client.hears()), (2, 3, 3));
    assert_eq!(lost.errors(), [2]);

    let broken = wire.rule(1, is_end, Action::BreakAtAnswer);
    client.end(4);
    assert_eq!(next(&arrived), 4);
    assert!(client.is_broken());
    assert_eq!(broken.errors(), [4]);
}
