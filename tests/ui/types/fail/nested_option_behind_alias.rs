//! A nested `Option` that only the compiler can see: behind an alias, in a list, in a `Result` of another name.
use dacapo::{Error, activity, entity, orchestrator};
use serde::{Deserialize, Serialize};

type Maybe<T> = Option<Option<T>>;
type Unit = ();
type Note = Option<u8>;
type Fallible = Result<Maybe<u32>, Error>;

#[activity]
async fn find(note: Maybe<String>, rest: Vec<Option<Note>>) -> Option<Unit> {
    note.flatten().map(|_| drop(rest))
}

#[orchestrator]
async fn look(n: u32) -> Fallible {
    Ok(Some(Some(n)))
}

#[activity]
async fn pick(n: u32) -> dacapo::Result<(u32, Maybe<u32>)> {
    Ok((n, None))
}

#[orchestrator]
async fn choose(n: u32) -> dacapo::Result<Maybe<u32>> {
    Ok(pick(n).await?.1)
}

#[activity]
async fn both(n: u32) -> (Maybe<u32>, u32) {
    (None, n)
}

#[derive(Default, Serialize, Deserialize)]
struct Last {
    note: Note,
}

#[entity]
impl Last {
    fn swap(&mut self, note: Note, force: Option<Unit>) -> Maybe<u8> {
        force.map(|()| std::mem::replace(&mut self.note, note))
    }
}

fn main() {}
