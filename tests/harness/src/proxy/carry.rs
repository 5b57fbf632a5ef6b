//! The connections of a link: what comes in at one end goes out at the other, as the link's condition has it.
//!
//! Each way of a connection is a queue between a socket that is read and one that is written. Invariant: a queue keeps the order,
//! the end of a stream is its last element, and what a queue holds is bounded.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::counts::Tally;
use super::{Condition, Direction};
use crate::traffic::Dice;

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;
/// How much a queue holds before nothing more is read: as a network's window.
const WINDOW_BYTES: usize = 1 << 20;
/// In how many pieces a slow link sends the bytes of a second.
const PIECES_PER_SECOND: u64 = 50;

/// What the connections of a link have in common.
struct Common {
    server: String,
    tally: Arc<Tally>,
    /// When a slow link has room again, by [`Direction`].
    room_at: [Mutex<Option<Instant>>; 2],
}

/// Takes connections until the link is dropped.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    server: String,
    watched: watch::Receiver<Condition>,
    tally: Arc<Tally>,
) {
    let listener = TcpListener::from_std(listener).expect("a runtime takes a listener that does not block");
    let common = Arc::new(Common { server, tally, room_at: Default::default() });
    let mut dropped = watched.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(carry(client, watched.clone(), common.clone()));
                }
            }
            changed = dropped.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both ends closed it.
    Closed,
    /// An end broke it off; so does the link at the other.
    Broken,
    Cut,
    Reset,
    Torn,
}

/// One connection, until an end closes it or the link does.
async fn carry(mut client: TcpStream, condition: watch::Receiver<Condition>, common: Arc<Common>) {
    let born = *condition.borrow();
    let number = common.tally.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let refuse = || Tally::add(&common.tally.refused, 1);
    if born.cut {
        return refuse();
    }
    let Ok(mut server) = TcpStream::connect(&common.server).await else {
        refuse();
        return drop(client.set_zero_linger());
    };
    let mut hurt = condition.clone();
    let end = tokio::select! {
        biased;
        hurt = hurt.wait_for(|now| now.cut || now.resets != born.resets) => match hurt {
            Ok(now) if now.cut => End::Cut,
            Ok(_) => End::Reset,
            Err(_) => return,
        },
        end = exchange(&mut client, &mut server, &condition, born, (number, &common)) => end,
    };
    match end {
        End::Closed | End::Broken => {}
        End::Cut => Tally::add(&common.tally.cut, 1),
        End::Reset => Tally::add(&common.tally.reset, 1),
        End::Torn => Tally::add(&common.tally.torn, 1),
    }
    if matches!(end, End::Broken | End::Reset | End::Torn) {
        // Whatever ends it, both ends learn it by the closing of their sockets; with this, as an error.
        _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

async fn exchange(
    client: &mut TcpStream,
    server: &mut TcpStream,
    condition: &watch::Receiver<Condition>,
    born: Condition,
    (number, common): (u64, &Common),
) -> End {
    _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let way = |direction| Way {
        direction,
        common,
        born,
        condition: condition.clone(),
        dice: Dice::new(number, direction as u64),
        queue: VecDeque::new(),
        queued_bytes: 0,
        has_hole: false,
    };
    let requests = way(Direction::ToServer).pump(from_client, to_server);
    let answers = way(Direction::ToClient).pump(from_server, to_client);
    // A way that closed in peace leaves the other one open.
    match tokio::try_join!(requests, answers) {
        Ok(((), ())) => End::Closed,
        Err(end) => end,
    }
}

/// What waits in a queue.
struct Waiting {
    /// None for the end of the stream.
    bytes: Option<Bytes>,
    /// Whether the stream was broken off and not closed.
    broken: bool,
    due: Instant,
    was_held_up: bool,
}

/// One way of a connection.
struct Way<'a> {
    direction: Direction,
    common: &'a Common,
    born: Condition,
    condition: watch::Receiver<Condition>,
    dice: Dice,
    queue: VecDeque<Waiting>,
    queued_bytes: usize,
    has_hole: bool,
}

impl Way<'_> {
    async fn pump(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let mut buffer = BytesMut::new();
        let mut reads = true;
        loop {
            let now = *self.condition.borrow_and_update();
            if self.has_hole && !now.loses[self.direction as usize] {
                return Err(End::Reset);
            }
            let next_at = self.next_at(&now);
            if next_at.is_some_and(|at| at <= Instant::now()) {
                if self.deliver(&now, &mut to).await? {
                    return Ok(());
                }
                continue;
            }
            if buffer.capacity() < READ_BYTES / 4 {
                // Takes the room back that has been delivered.
                buffer.reserve(READ_BYTES);
            }
            tokio::select! {
                biased;
                changed = self.condition.changed() => changed.map_err(|_| End::Closed)?,
                () = sleep_until(next_at.unwrap_or_else(Instant::now)), if next_at.is_some() => {}
                read = from.read_buf(&mut buffer), if reads && self.queued_bytes < WINDOW_BYTES => {
                    reads = matches!(read, Ok(1..));
                    self.take(read, &mut buffer);
                }
            }
        }
    }

    /// When the first of the queue may go; never while it is held up.
    fn next_at(&mut self, now: &Condition) -> Option<Instant> {
        let first = self.queue.front_mut()?;
        if now.held_up {
            for waiting in self.queue.iter_mut().filter(|waiting| !waiting.was_held_up) {
                waiting.was_held_up = true;
                Tally::add(&self.common.tally.bytes_held_up, waiting.bytes.as_ref().map_or(0, Bytes::len));
            }
            return None;
        }
        let due = if now.delay.is_some() { first.due } else { Instant::now() };
        let room_at = now.bytes_per_second.and_then(|_| *self.room_at());
        Some(room_at.map_or(due, |room_at| room_at.max(due)))
    }

    /// Puts what was read at the end of the queue.
    fn take(&mut self, read: io::Result<usize>, buffer: &mut BytesMut) {
        let now = *self.condition.borrow();
        let delay = now.delay.map_or(Duration::ZERO, |delay| delay.draw(&mut self.dice));
        let earliest = self.queue.back().map(|last| last.due);
        let due = (Instant::now() + delay).max(earliest.unwrap_or_else(Instant::now));
        let bytes = matches!(read, Ok(1..)).then(|| buffer.split().freeze());
        let count = bytes.as_ref().map_or(0, Bytes::len);
        self.queued_bytes += count;
        if !delay.is_zero() {
            Tally::add(&self.common.tally.bytes_delayed, count);
        }
        self.queue.push_back(Waiting { bytes, broken: read.is_err(), due, was_held_up: false });
    }

    /// Lets the first of the queue go, or a piece of it. True when it was the end.
    async fn deliver(&mut self, now: &Condition, to: &mut WriteHalf<'_>) -> Result<bool, End> {
        let Some(mut first) = self.queue.pop_front() else { return Ok(false) };
        let loses = now.loses[self.direction as usize];
        self.has_hole |= loses;
        let Some(bytes) = &mut first.bytes else {
            return match (loses, first.broken) {
                // Nobody hears of the end, until the link is mended.
                (true, _) => Ok(false),
                (false, true) => Err(End::Broken),
                (false, false) => {
                    _ = to.shutdown().await;
                    Ok(true)
                }
            };
        };
        let tears = now.tears != self.born.tears;
        let limit = match now.bytes_per_second {
            Some(rate) => usize::try_from((rate / PIECES_PER_SECOND).max(1)).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        let mut piece = bytes.split_to(limit.min(bytes.len()));
        if !bytes.is_empty() {
            self.queue.push_front(first);
        }
        self.queued_bytes -= piece.len();
        if loses {
            Tally::add(self.common.tally.lost(self.direction), piece.len());
            return Ok(false);
        }
        if let Some(rate) = now.bytes_per_second {
            *self.room_at() = Some(Instant::now() + Duration::from_secs_f64(piece.len() as f64 / rate as f64));
            Tally::add(&self.common.tally.bytes_slowed, piece.len());
        }
        if tears {
            let rest = piece.split_off(torn_at(piece.len()));
            Tally::add(self.common.tally.lost(self.direction), rest.len());
        }
        Tally::add(self.common.tally.passed(self.direction), piece.len());
        if to.write_all(&piece).await.is_err() {
            // The receiver is gone. Its end of the other way says so, behind what it sent before.
            return Ok(true);
        }
        if tears { Err(End::Torn) } else { Ok(false) }
    }

    fn room_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.common.room_at[self.direction as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where something of so many bytes is torn: within a message, also where it is two of the same size.
fn torn_at(len: usize) -> usize {
    (len / 2).saturating_sub(1).max(1).min(len - 1)
}
