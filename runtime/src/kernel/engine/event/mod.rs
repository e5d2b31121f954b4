//! What a history is made of. The names are Durable Task's (`DurableTask.Core/History/EventType.cs`).

mod history;
mod terms;
mod visit;

pub use history::{Event, Turn};
pub use terms::{CallId, Continued, NotTaken, Parent, Raised};
pub(crate) use terms::{Caller, EntityLock};
pub(crate) use visit::Part;
