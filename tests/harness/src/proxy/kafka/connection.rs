//! One connection through a wire: frames from the client, frames from the broker, and what rules make of them.
//!
//! Invariant: the broker's end stays open for as long as something that was caught on it may still go there or is not answered yet,
//! whatever has become of the client; an answer to a copy ends here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::rule::Caught;
use super::{Action, Common, Request};

/// The largest frame that is taken for one.
const FRAME_MAX_BYTES: usize = 128 << 20;
/// How long the broker's end is kept for what was caught, after its client is gone.
const LAST_ANSWERS: Duration = Duration::from_secs(120);

/// Carries one connection to its end.
pub(super) async fn carry(client: TcpStream, common: Arc<Common>) {
    let Ok(server) = TcpStream::connect(&common.server).await else { return };
    _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (sender, receiver) = mpsc::unbounded_channel();
    let connection = Arc::new(Connection {
        common,
        to_server: sender,
        awaited: Mutex::default(),
        owed: watch::Sender::new(0),
        broken: watch::Sender::new(false),
        number_of_copy: AtomicI32::new(i32::MIN),
    });
    tokio::select! {
        // When the broker has closed its end, nothing is left to do; when the client has, the broker closes in turn.
        () = connection.answers(from_server, to_client) => {}
        ((), ()) = async { tokio::join!(connection.requests(from_client), write(receiver, to_server)) } => {}
    }
}

/// Writes frames to the broker, and closes that way at the end.
async fn write(mut frames: mpsc::UnboundedReceiver<Option<Bytes>>, mut to_server: OwnedWriteHalf) {
    while let Some(Some(frame)) = frames.recv().await {
        if to_server.write_all(&frame).await.is_err() {
            return;
        }
    }
    _ = to_server.shutdown().await;
    std::future::pending::<()>().await;
}

/// An answer that somebody waits for.
struct Awaited {
    caught: Arc<Caught>,
    then: Then,
}

/// What happens to an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Pass,
    Swallow,
    Hold,
    Break,
}

struct Connection {
    common: Arc<Common>,
    /// None closes.
    to_server: mpsc::UnboundedSender<Option<Bytes>>,
    awaited: Mutex<HashMap<i32, Awaited>>,
    /// How many things of this connection were caught and are neither gone nor answered.
    owed: watch::Sender<usize>,
    /// Whether the client's end was broken off.
    broken: watch::Sender<bool>,
    number_of_copy: AtomicI32,
}

impl Connection {
    async fn requests(self: &Arc<Self>, from_client: OwnedReadHalf) {
        let mut frames = Frames::of(from_client);
        let mut broken = self.broken.subscribe();
        loop {
            let frame = tokio::select! {
                biased;
                _ = broken.wait_for(|broken| *broken) => None,
                frame = frames.next() => frame,
            };
            let Some(frame) = frame else { break };
            let caught = Request::read(&frame.slice(4..)).and_then(|request| self.common.catch(&request));
            match caught {
                None => self.send(frame),
                Some((action, caught)) => self.treat(frame, action, caught).await,
            }
        }
        if *self.broken.borrow() {
            _ = frames.from.as_ref().set_zero_linger();
        }
        drop(frames);
        _ = timeout(LAST_ANSWERS, self.owed.subscribe().wait_for(|owed| *owed == 0)).await;
        _ = self.to_server.send(None);
    }

    async fn treat(self: &Arc<Self>, frame: Bytes, action: Action, caught: Arc<Caught>) {
        let then = match action {
            Action::Drop => return,
            Action::HoldAnswer => Then::Hold,
            Action::DropAnswer => Then::Swallow,
            Action::BreakAtAnswer => Then::Break,
            Action::Hold => return self.send_once_released(frame, caught).await,
            Action::HoldAndBreak => {
                self.owed.send_modify(|owed| *owed += 1);
                self.broken.send_replace(true);
                let connection = self.clone();
                tokio::spawn(async move {
                    connection.send_once_released(frame, caught).await;
                    connection.owed.send_modify(|owed| *owed -= 1);
                });
                return;
            }
            Action::Repeat => {
                self.send(frame.clone());
                return self.send_copy(&frame, caught);
            }
            Action::RepeatLater | Action::RepeatElsewhere => {
                self.send(frame.clone());
                let connection = self.clone();
                tokio::spawn(async move { connection.repeat(frame, action, caught).await });
                return;
            }
            Action::Watch => Then::Pass,
        };
        self.send_awaited(frame, caught.request.correlation, Awaited { caught, then });
    }

    async fn send_once_released(&self, frame: Bytes, caught: Arc<Caught>) {
        if caught.goes().await {
            self.send_awaited(frame, caught.request.correlation, Awaited { caught, then: Then::Pass });
        }
    }

    /// Sends a copy once it may go.
    async fn repeat(&self, frame: Bytes, action: Action, caught: Arc<Caught>) {
        if !caught.goes().await {
            return;
        }
        if action == Action::RepeatLater && !self.to_server.is_closed() {
            return self.send_copy(&frame, caught);
        }
        let Ok(mut server) = TcpStream::connect(&self.common.server).await else { return };
        if server.write_all(&frame).await.is_ok()
            && let Some(answer) = Frames::of(server).next().await
        {
            caught.answer(&answer.slice(4..));
        }
    }

    fn send(&self, frame: Bytes) {
        // Where the broker's end is closed, nobody reads this any more.
        _ = self.to_server.send(Some(frame));
    }

    fn send_copy(&self, frame: &Bytes, caught: Arc<Caught>) {
        // Clients count up from 1; from the other end, no copy ever meets them.
        let number = self.number_of_copy.fetch_add(1, Ordering::Relaxed);
        self.send_awaited(Request::renumbered(frame, number), number, Awaited { caught, then: Then::Swallow });
    }

    fn send_awaited(&self, frame: Bytes, number: i32, awaited: Awaited) {
        self.owed.send_modify(|owed| *owed += 1);
        self.awaited().insert(number, awaited);
        self.send(frame);
    }

    async fn answers(&self, from_server: OwnedReadHalf, to_client: OwnedWriteHalf) {
        let mut frames = Frames::of(from_server);
        let mut broken = self.broken.subscribe();
        let mut client = Some(to_client);
        loop {
            let answer = tokio::select! {
                biased;
                _ = broken.wait_for(|broken| *broken), if client.is_some() => {
                    break_off(client.take());
                    continue;
                }
                answer = frames.next() => answer,
            };
            let Some(answer) = answer else { return };
            let number = answer.get(4..8).map(|number| number.try_into().map_or(0, i32::from_be_bytes));
            let awaited = number.and_then(|number| self.awaited().remove(&number));
            if let Some(Awaited { caught, then }) = awaited {
                caught.answer(&answer.slice(4..));
                self.owed.send_modify(|owed| *owed -= 1);
                match then {
                    Then::Pass => {}
                    Then::Hold if caught.goes().await => {}
                    Then::Swallow | Then::Hold => continue,
                    Then::Break => {
                        self.broken.send_replace(true);
                        continue;
                    }
                }
            }
            if let Some(to_client) = &mut client
                && to_client.write_all(&answer).await.is_err()
            {
                // The client is gone; what it asked for is still waited for.
                client = None;
            }
        }
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<i32, Awaited>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a connection so that the other end reads an error.
fn break_off(half: Option<OwnedWriteHalf>) {
    if let Some(half) = half {
        _ = half.as_ref().set_zero_linger();
        // Else it would close this way in peace.
        half.forget();
    }
}

/// The frames of a stream, each with the size that it begins with.
struct Frames<R> {
    from: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    fn of(from: R) -> Self {
        Self { from, buffer: BytesMut::new() }
    }

    /// The next frame; none at the end, or where there is no frame. May be given up and called again.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let size = self.buffer.first_chunk().map(|size| i32::from_be_bytes(*size));
            if let Some(size) = size {
                let whole = 4 + usize::try_from(size).ok().filter(|size| *size <= FRAME_MAX_BYTES)?;
                if self.buffer.len() >= whole {
                    return Some(self.buffer.split_to(whole).freeze());
                }
                self.buffer.reserve(whole - self.buffer.len());
            } else {
                self.buffer.reserve(16 << 10);
            }
            if !matches!(self.from.read_buf(&mut self.buffer).await, Ok(1..)) {
                return None;
            }
        }
    }
}
