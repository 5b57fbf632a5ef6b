//! A way through the modelled world, told in short sentences, one a step.

use super::explore::Trace;
use super::kafka::{Request, Who};
use super::relay::Doing;
use super::state::{Consumer, State, World};
use super::step::{Fate, Step};

/// The name of a start of a process.
#[must_use]
pub fn name(who: Who) -> char {
    char::from(b'A' + who)
}

impl Trace {
    /// The trace as lines: a number and a sentence each, then how it ends.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut state = State::first(&self.world.bounds);
        let mut lines = Vec::with_capacity(self.steps.len() + 1);
        for (number, step) in self.steps.iter().enumerate() {
            let after = self.world.after(&state, *step);
            lines.push(format!("{:>3}. {}.", number + 1, sentence(&self.world, &state, *step, &after)));
            state = after;
        }
        lines.push(format!("  => {}.", self.breach));
        lines
    }
}

fn sentence(world: &World, state: &State, step: Step, after: &State) -> String {
    let who = |place: usize| name(state.processes[place].who);
    match step {
        Step::Join(place) => format!("{} joins the group", who(place)),
        Step::Revoke(place, true) => {
            format!("{} gives its lanes back with everything published, and joins again", who(place))
        }
        Step::Revoke(place, false) => format!("{} gives its lanes back in a hurry, and joins again", who(place)),
        Step::Leave(place) if state.processes[place].asks_anew => {
            format!("{} leaves the group, to take its lanes anew", who(place))
        }
        Step::Leave(place) => format!("{} leaves the group, to come back", who(place)),
        Step::Notice(place) => format!("{} hears that the group has given it up", who(place)),
        Step::Balance(_) => {
            let owner = |lane| after.kafka.group.owner(lane, after.rows.len());
            let lanes = (0..after.rows.len()).filter_map(|lane| Some((lane, owner(lane)?)));
            let lanes: Vec<String> = lanes.map(|(lane, owner)| format!("lane {lane} to {}", name(owner))).collect();
            format!("generation {} begins: {}", after.kafka.group.generation, lanes.join(", "))
        }
        Step::Claim(place, answered) => {
            let Consumer::Called(generation, lanes) = state.processes[place].consumer else { return String::new() };
            let claimed = (0..state.rows.len()).filter(|lane| lanes & 1 << lane != 0);
            let claimed: Vec<String> =
                claimed.map(|lane| format!("lane {lane} under epoch {}", after.rows[lane].epoch)).collect();
            let claimed = if claimed.is_empty() { "nothing".to_owned() } else { claimed.join(", ") };
            let end = if answered { "" } else { ", and does not hear that it worked" };
            format!("{} claims {claimed}, with generation {generation}{end}", who(place))
        }
        Step::Apply(place, lane, records) => apply(world, state, (place, lane, records), after),
        Step::Land(lane) => format!("the COMMIT takes effect: lane {lane} has row {}", after.rows[lane].last_seq),
        Step::Die(lane) => format!("the transaction on lane {lane} is rolled back"),
        Step::Settle(place, lane) => {
            format!("{} looks how lane {lane} stands{}", who(place), found(state, after, place, lane))
        }
        Step::Note(place, lane) => {
            let row = &after.rows[lane];
            format!("{} notes that lane {lane} is published up to row {}", who(place), row.published)
        }
        Step::Relay(place, fate) => relay(world, state, place, fate, after),
        Step::Arrive(place) => {
            let mut kafka = state.kafka.clone();
            let answer = match kafka.arrive(&state.late[place]) {
                Ok(_) => "is carried out".to_owned(),
                Err(code) => format!("is refused: {code}"),
            };
            format!("the late request \"{}\" arrives and {answer}", request(&state.late[place]))
        }
        Step::Cut(place, lane, sent) => {
            let when = if sent { "with its COMMIT under way" } else { "before its COMMIT was sent" };
            format!("{}'s connection to Postgres, for lane {lane}, is cut {when}", who(place))
        }
        Step::Evict(member) => format!("the group gives {} up", name(member)),
        Step::Crash(place) => format!("{} is killed, {} is started", who(place), name(after.starts - 1)),
        Step::TimeOut(id) => format!("the coordinator times {}'s transaction out", name(id)),
        Step::Expire => "the group's offsets are lost".to_owned(),
    }
}

fn apply(world: &World, state: &State, (place, lane, records): (usize, usize, u8), after: &State) -> String {
    let who = name(state.processes[place].who);
    let Some(writer) = state.processes[place].writers[lane] else { return String::new() };
    let last = writer.checkpoint + records - 1;
    let what = if records == 1 { format!("record {last}") } else { format!("records {} to {last}", writer.checkpoint) };
    match &after.rows[lane].backend {
        Some(backend) => {
            format!("{who} applies {what} of lane {lane} as row {} and sends COMMIT", backend.write.last_seq)
        }
        None if after.broken.is_some() && world.bounds.lanes > 0 => format!("{who} would apply {what} of lane {lane}"),
        None => format!("{who} would apply {what} of lane {lane} and is refused by the fence"),
    }
}

fn found(state: &State, after: &State, place: usize, lane: usize) -> &'static str {
    let before = state.processes[place].writers[lane].map(|writer| writer.last_seq);
    match after.processes[place].writers[lane].map(|writer| writer.last_seq) {
        None => ": it is another's",
        now if now == before => ": the batch did not happen",
        _ => ": the batch happened",
    }
}

fn relay(world: &World, state: &State, place: usize, fate: Fate, after: &State) -> String {
    let who = name(state.processes[place].who);
    match world.doing(state, place) {
        None => String::new(),
        Some(Doing::Read(lanes)) => {
            let said = lanes.iter().map(|lane| {
                let position = state.kafka.committed[*lane];
                format!("lane {lane} {}", position.map_or("nowhere".to_owned(), |p| format!("at row {}", p.seq)))
            });
            let ended = lanes.iter().any(|lane| after.processes[place].relay.lanes[*lane].is_none());
            let end = if ended { ", which is its successor's" } else { "" };
            format!("{who} reads where lanes stand: {}{end}", said.collect::<Vec<_>>().join(", "))
        }
        Some(Doing::Decide(flight)) => {
            format!("{who} begins a transaction with {}", rows(&flight.rows))
        }
        Some(Doing::Ask(asked)) => {
            let mut kafka = state.kafka.clone();
            let answer = kafka.handle(&asked).err().map_or(String::new(), |code| format!(" and is refused: {code}"));
            let end = match fate {
                Fate::Answered => answer,
                Fate::Repeated => format!("{answer}; the request was repeated, and one copy is still on its way"),
                Fate::Unheard => "; the answer never comes, and it gives up".to_owned(),
                Fate::GivenUp => "; the request is held up on its way, and it gives up".to_owned(),
            };
            format!("{who} sends \"{}\"{end}", request(&asked))
        }
    }
}

fn request(request: &Request) -> String {
    match request {
        Request::Init { id, sender } if id == sender => format!("take my own id {}", name(*id)),
        Request::Init { id, .. } => format!("take the former owner's id {}", name(*id)),
        Request::Produce(id, epoch, _, published) => {
            format!("{}, epoch {epoch}: {}", name(*id), rows(published))
        }
        Request::Offsets(id, epoch, generation, positions) => {
            let generation =
                generation.map_or("no generation".to_owned(), |generation| format!("generation {generation}"));
            let positions = positions.iter().map(|(lane, position)| format!("lane {lane} at row {}", position.seq));
            let positions: Vec<String> = positions.collect();
            format!("{}, epoch {epoch}, {generation}: {}", name(*id), positions.join(", "))
        }
        Request::End(id, epoch) => format!("{}, epoch {epoch}: commit", name(*id)),
        Request::PlainOffsets(positions) => {
            let positions = positions.iter().map(|(lane, position)| format!("lane {lane} at row {}", position.seq));
            format!("outside of any transaction: {}", positions.collect::<Vec<_>>().join(", "))
        }
    }
}

fn rows(rows: &[(usize, u8)]) -> String {
    let rows: Vec<String> = rows.iter().map(|(lane, seq)| format!("row {seq} of lane {lane}")).collect();
    rows.join(", ")
}
