//! What a worker runs, noted in a file that outlives its process: what ran when the process died is known by nothing else.
//!
//! A note is written without waiting for the disk, because it has to survive the process and not the machine. A damaged or missing file
//! means that nothing is known.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::lock::Lock;
use crate::store::{CallId, Epoch, InstanceKey};

/// The length of a note in the file.
const LENGTH: usize = 32;

/// How the file begins; the epoch of its worker follows. It is of no worker but that: the database may have been replaced since.
const MAGIC: i64 = i64::from_le_bytes(*b"dacapo-1");

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) instance: InstanceKey,
    pub(super) call: CallId,
    pub(super) attempt: u32,
    pub(super) mark: Mark,
    /// How many processes have died while it ran.
    pub(super) deaths: u32,
    /// Its place in the order in which the process began what it ran.
    pub(super) begun: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It ran when a process died, and does not run.
    Suspect = 1,
    /// It runs.
    Running = 2,
    /// It runs as the only suspect, so that it is blamed for a death.
    OnTrial = 3,
}

impl Note {
    fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&self.instance.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.call.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.attempt.to_le_bytes());
        bytes[20..24].copy_from_slice(&(self.mark as u32).to_le_bytes());
        bytes[24..28].copy_from_slice(&self.deaths.to_le_bytes());
        bytes[28..].copy_from_slice(&self.begun.to_le_bytes());
        bytes
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let long = |at: usize| Some(i64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let mark = match number(20)? {
            1 => Mark::Suspect,
            2 => Mark::Running,
            3 => Mark::OnTrial,
            _ => return None,
        };
        let (instance, call) = (long(0)?, long(8)?.cast_unsigned());
        Some(Self { instance, call, attempt: number(16)?, mark, deaths: number(24)?, begun: number(28)? })
    }
}

/// The length of that.
const HEADER: usize = 16;

fn header(epoch: Epoch) -> impl Iterator<Item = u8> {
    MAGIC.to_le_bytes().into_iter().chain(epoch.0.to_le_bytes())
}

/// The notes that the worker of this epoch has left.
pub(super) fn read(path: &Path, epoch: Epoch) -> Vec<Note> {
    let bytes = std::fs::read(path).unwrap_or_default();
    if !bytes.get(..HEADER).is_some_and(|start| start.iter().copied().eq(header(epoch))) {
        return Vec::new();
    }
    bytes[HEADER..].chunks_exact(LENGTH).filter_map(Note::of).collect()
}

/// The file of a worker.
pub(super) struct Journal {
    file: File,
    /// How many notes about suspects it begins with.
    suspects: usize,
    places: Lock<Places>,
}

/// The places for notes of what runs.
#[derive(Default)]
struct Places {
    free: Vec<usize>,
    next: usize,
    begun: u32,
}

impl Journal {
    /// Puts a file with these suspects in the place of the one before.
    pub(super) fn create(path: &Path, epoch: Epoch, suspects: &[Note]) -> io::Result<Self> {
        let mut new = PathBuf::from(path).into_os_string();
        new.push(".new");
        let bytes: Vec<u8> = header(epoch).chain(suspects.iter().flat_map(|note| note.to_bytes())).collect();
        std::fs::write(&new, bytes)?;
        std::fs::rename(&new, path)?;
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Self { file, suspects: suspects.len(), places: Lock::default() })
    }

    /// Notes that something runs, and that it was the last to begin.
    pub(super) fn begin(&self, mut note: Note) -> usize {
        let mut places = self.places.lock();
        places.begun = places.begun.saturating_add(1);
        note.begun = places.begun;
        let place = places.free.pop().unwrap_or_else(|| {
            places.next += 1;
            places.next - 1
        });
        drop(places);
        self.write(self.suspects + place, &note.to_bytes());
        place
    }

    /// Its place is free for another. The note itself stays unless `erase` is set: what it says is known to be past by the history.
    pub(super) fn end(&self, place: usize, erase: bool) {
        if erase {
            self.write(self.suspects + place, &[0; LENGTH]);
        }
        self.places.lock().free.push(place);
    }

    /// Changes what is noted of a suspect, by its place among those that the file was made with.
    pub(super) fn note_suspect(&self, place: usize, note: Option<Note>) {
        self.write(place, &note.map_or([0; LENGTH], Note::to_bytes));
    }

    /// Nothing runs any more.
    pub(super) fn clear(&self) {
        if let Err(error) = self.file.set_len((HEADER + self.suspects * LENGTH) as u64) {
            tracing::warn!(%error, "failed to clear the journal of running activities");
        }
    }

    fn write(&self, place: usize, bytes: &[u8; LENGTH]) {
        if let Err(error) = write_at(&self.file, bytes, (HEADER + place * LENGTH) as u64) {
            tracing::warn!(%error, "failed to note a running activity; if it kills the process, that will not be counted");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The suspects of a journal, with the deaths they are blamed for.
pub(super) fn blamed(notes: &[Note]) -> Vec<Note> {
    let mut suspects: Vec<Note> = Vec::new();
    let is_same = |one: &Note, other: &Note| (one.instance, one.call) == (other.instance, other.call);
    for note in notes {
        let earlier = suspects.iter_mut().find(|suspect| is_same(suspect, note) && suspect.attempt == note.attempt);
        let deaths = earlier.as_ref().map_or(0, |suspect| suspect.deaths);
        let deaths = match note.mark {
            Mark::Suspect => note.deaths,
            Mark::Running => deaths.max(1),
            Mark::OnTrial => deaths + 1,
        };
        match earlier {
            Some(suspect) => (suspect.deaths, suspect.begun) = (deaths, note.begun),
            None => {
                suspects.retain(|suspect| !is_same(suspect, note));
                suspects.push(Note { mark: Mark::Suspect, deaths, ..*note });
            }
        }
    }
    suspects
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, at).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{Journal, Mark, Note, blamed, read};
    use crate::store::Epoch;

    #[test]
    fn what_ran_is_read_after_the_process_has_died() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("running");
        assert_eq!(read(&path, Epoch(4)), []);
        let note = |call, mark| Note { instance: 7, call, attempt: 1, mark, deaths: 2, begun: 0 };
        let journal = Journal::create(&path, Epoch(4), &[note(1, Mark::Suspect), note(2, Mark::Suspect)]).expect("it is written");
        let (three, _four) = (journal.begin(note(3, Mark::Running)), journal.begin(note(4, Mark::OnTrial)));
        journal.end(three, false);
        journal.note_suspect(0, None);
        let running = [Note { begun: 1, ..note(3, Mark::Running) }, Note { begun: 2, ..note(4, Mark::OnTrial) }];
        assert_eq!(read(&path, Epoch(4)), [note(2, Mark::Suspect), running[0], running[1]]);
        journal.begin(note(5, Mark::Running));
        let again = Note { begun: 3, ..note(5, Mark::Running) };
        assert_eq!(read(&path, Epoch(4))[1], again, "the place is used again");
        drop(journal);
        assert_eq!(read(&path, Epoch(4)), [note(2, Mark::Suspect)], "a process that ends lets nothing run");
        assert_eq!(read(&path, Epoch(1)), [], "the database was replaced");
        std::fs::write(&path, b"something else").expect("it is written");
        assert_eq!(read(&path, Epoch(4)), []);
    }

    #[test]
    fn a_death_is_counted_for_the_suspect_on_trial_only() {
        let note = |call, mark, deaths| Note { instance: 1, call, attempt: 1, mark, deaths, begun: 0 };
        let deaths = |notes: &[Note]| blamed(notes).iter().map(|note| (note.call, note.deaths)).collect::<Vec<_>>();
        assert_eq!(deaths(&[note(1, Mark::Running, 0), note(2, Mark::Running, 0)]), [(1, 1), (2, 1)]);
        let suspects = [note(1, Mark::Suspect, 1), note(2, Mark::Suspect, 3), note(3, Mark::Suspect, 4)];
        let running = [note(2, Mark::OnTrial, 0), note(3, Mark::Running, 0), note(4, Mark::Running, 0)];
        assert_eq!(deaths(&[&suspects[..], &running[..]].concat()), [(1, 1), (2, 4), (3, 4), (4, 1)]);
        let another = Note { attempt: 2, ..note(3, Mark::Running, 0) };
        assert_eq!(deaths(&[note(3, Mark::Suspect, 4), another]), [(3, 1)], "another attempt begins anew");
    }
}
