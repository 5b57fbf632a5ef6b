//! A link between clients and servers that send back what they get.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream as Client};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::{Direction, Link};

/// How long something may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing means nothing.
const SILENCE: Duration = Duration::from_millis(200);

/// A server that sends back what it gets, many connections at a time, and tells of each what it got before its end.
fn echo() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.expect("a connection"), tell.clone());
            std::thread::spawn(move || {
                let (mut all, mut buffer) = (Vec::new(), [0; 16 << 10]);
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    all.extend_from_slice(&buffer[..read]);
                    _ = stream.write_all(&buffer[..read]);
                }
                _ = tell.send(all);
            });
        }
    });
    (address, told)
}

fn link() -> (Link, Receiver<Vec<u8>>) {
    let (server, told) = echo();
    (Link::to(&server).expect("a link"), told)
}

fn client(link: &Link) -> Client {
    let client = Client::connect(link.address()).expect("connected");
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    client
}

/// Says five bytes and hears them again; false when the connection ends instead.
fn is_answered(client: &mut Client) -> bool {
    _ = client.write_all(b"hello");
    match client.read_exact(&mut [0; 5]) {
        Ok(()) => true,
        Err(error) => {
            assert!(!is_timeout(&error), "no answer and no end");
            false
        }
    }
}

/// Says five bytes and hears nothing.
fn is_ignored(client: &mut Client) -> bool {
    client.write_all(b"hello").expect("the connection stands");
    client.set_read_timeout(Some(SILENCE)).expect("a timeout");
    let heard = client.read(&mut [0; 5]);
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    heard.is_err_and(|error| is_timeout(&error))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// How a connection ends that was reset.
fn is_reset(client: &mut Client) -> bool {
    client.read(&mut [0; 64]).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

#[test]
fn a_link_carries_holds_up_cuts_and_carries_again() {
    let (link, _) = link();
    let mut first = client(&link);
    assert!(is_answered(&mut first));
    link.hold_up();
    assert!(is_ignored(&mut first));
    link.cut();
    assert!(!is_answered(&mut first) && !is_answered(&mut client(&link)));
    link.mend();
    assert!(is_answered(&mut client(&link)));
    let counts = link.counts();
    assert_eq!((counts.connections, counts.refused, counts.cut, counts.bytes_held_up), (3, 1, 1, 5));
    assert_eq!((counts.bytes_to_server, counts.bytes_to_client), (10, 10));
}

#[test]
fn what_was_held_up_arrives_though_its_sender_is_gone() {
    let (link, told) = link();
    let mut gone = client(&link);
    assert!(is_answered(&mut gone));
    link.hold_up();
    assert!(is_ignored(&mut gone));
    drop(gone);
    assert!(told.recv_timeout(SILENCE).is_err(), "the server knows of nothing");
    link.mend();
    assert_eq!(told.recv_timeout(PATIENCE).expect("it arrived"), b"hellohello");
}

#[test]
fn a_delay_is_waited_for_and_keeps_the_order() {
    let (link, _) = link();
    link.delay(Duration::from_millis(60), Duration::from_millis(40));
    let mut client = client(&link);
    let began = Instant::now();
    for number in 0..50_u8 {
        client.write_all(&[number]).expect("sent");
    }
    let mut back = [0; 50];
    client.read_exact(&mut back).expect("all of it");
    assert!(began.elapsed() >= Duration::from_millis(40), "twice at least 20 ms");
    assert!(back.iter().copied().eq(0..50));
    assert_eq!(link.counts().bytes_delayed, 100);
}

#[test]
fn a_direction_that_is_lost_takes_requests_or_answers_and_their_connections_with_it() {
    let (link, told) = link();
    let (mut asking, mut idle) = (client(&link), client(&link));
    assert!(is_answered(&mut asking) && is_answered(&mut idle));
    link.lose(Direction::ToServer);
    assert!(is_ignored(&mut asking));
    link.mend();
    assert!(is_reset(&mut asking), "a stream with a hole");
    assert_eq!(told.recv_timeout(PATIENCE).expect("its end"), b"hello");
    assert!(is_answered(&mut idle), "it lost nothing");

    link.lose(Direction::ToClient);
    assert!(is_ignored(&mut idle));
    link.mend();
    assert!(is_reset(&mut idle));
    assert_eq!(told.recv_timeout(PATIENCE).expect("its end"), b"hellohellohello");
    let counts = link.counts();
    assert_eq!((counts.bytes_lost_to_server, counts.bytes_lost_to_client, counts.reset), (5, 5, 2));
}

#[test]
fn a_slow_link_takes_its_time_for_all_connections_together() {
    let (link, _) = link();
    link.slow(20_000);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = client(&link);
                client.write_all(&[7; 5_000]).expect("sent");
                client.read_exact(&mut [0; 5_000]).expect("all of it");
            });
        }
    });
    assert!(began.elapsed() >= Duration::from_millis(450), "10,000 bytes at 20,000 a second");
    assert_eq!(link.counts().bytes_slowed, 20_000);
}

#[test]
fn a_reset_is_an_error_at_both_ends_and_no_end_of_the_link() {
    let (link, told) = link();
    let mut one = client(&link);
    assert!(is_answered(&mut one));
    link.reset();
    assert!(is_reset(&mut one), "an error, not an end");
    told.recv_timeout(PATIENCE).expect("the server's end of it");
    assert!(is_answered(&mut client(&link)));
    assert_eq!(link.counts().reset, 1);
}

#[test]
fn a_torn_connection_ends_in_the_middle_of_what_it_carried() {
    let (link, told) = link();
    let (mut one, mut other) = (client(&link), client(&link));
    assert!(is_answered(&mut one) && is_answered(&mut other));
    link.tear();
    one.write_all(b"0123456789").expect("sent");
    assert!(is_reset(&mut one));
    let got = told.recv_timeout(PATIENCE).expect("its end");
    assert_eq!(got, b"hello0123");
    assert!(is_answered(&mut client(&link)), "whoever comes later is not torn");
    let counts = link.counts();
    assert_eq!((counts.torn, counts.bytes_lost_to_server), (1, 6));
    assert!(!is_answered(&mut other), "and who was there is");
}

#[test]
fn a_server_that_is_away_refuses_and_may_come_later() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    drop(taken);
    let link = Link::to(&address).expect("a link");
    assert!(!is_answered(&mut client(&link)));
    assert_eq!(link.counts().refused, 1);
}

#[test]
fn many_connections_and_much_traffic_pass_unchanged() {
    let (link, _) = link();
    std::thread::scope(|scope| {
        for number in 0..32_u8 {
            let link = &link;
            scope.spawn(move || {
                let mut client = client(link);
                let sent: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8 ^ number).collect();
                let mut back = vec![0; sent.len()];
                let mut writer = client.try_clone().expect("a second handle");
                let writing = sent.clone();
                let writes = std::thread::spawn(move || writer.write_all(&writing).expect("sent"));
                client.read_exact(&mut back).expect("all of it");
                writes.join().expect("nobody panics");
                assert!(back == sent);
            });
        }
    });
    assert_eq!(link.counts().bytes_to_client, 32 * 200_000);
}

#[test]
fn a_url_keeps_everything_but_the_server() {
    let (link, url) = Link::in_place_of("postgres://me:p@db:5432/it?sslmode=disable").expect("a link");
    assert_eq!(url, format!("postgres://me:p@{}/it?sslmode=disable", link.address()));
    let (link, url) = Link::in_place_of("http://localhost:8081").expect("a link");
    assert_eq!(url, format!("http://{}", link.address()));
    assert!(Link::in_place_of("http://localhost/x").is_err());
}
