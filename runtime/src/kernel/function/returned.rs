//! How return types are recorded.

use std::fmt::Display;

use serde::de::DeserializeOwned;

use crate::kernel::error::Error;
use crate::kernel::failure::{Failure, FailureKind, causes_of};
use crate::kernel::function::stored::Storable;
use crate::kernel::payload::Payload;

/// How a return type is recorded: `Ok` as a result, `Err` as a failure, anything else as a result.
///
/// Implemented for three [`Kind`]s, chosen by the compiler from the type itself, so that an alias of `Result` counts as one.
pub trait Returned<O>: Send + Sync + 'static {
    /// The value of a success.
    type Ok;
    /// What a client gets: the declared `Result`, or `Result<O, Failure>` where the function declares none.
    type Result;

    /// What goes into the history.
    fn record(output: O) -> Recorded;
    /// The declared return value, or the failure for which it has no place.
    fn restore(recorded: Recorded) -> Result<O, Failure>;
    /// What a client gets.
    fn result(recorded: Recorded) -> Self::Result;
    /// Whether the value is an error.
    fn is_failure(output: &O) -> bool;
    /// The success or the failure, engine's or own.
    fn checked(recorded: Recorded) -> Result<Self::Ok, Failure>;
}

/// The recorded outcome of a call.
pub type Recorded = Result<Payload, Failure>;

/// Chooses an implementation of [`Returned`]; see [`Probe`](crate::kernel::function::Probe).
pub struct Kind<const IS_RESULT: bool, const IS_STD_ERROR: bool>;

/// What a [`Kind`] says of a return type before anything is asked of it.
pub trait Sides<O> {
    /// The value of a success.
    type Ok;
    /// The declared error; one that is never refused where none is declared.
    type Err;
}

impl<O> Sides<O> for Kind<false, false> {
    type Ok = O;
    type Err = Error;
}

impl<T, E, const IS_STD_ERROR: bool> Sides<Result<T, E>> for Kind<true, IS_STD_ERROR> {
    type Ok = T;
    type Err = E;
}

impl<O: Storable> Returned<O> for Kind<false, false> {
    type Ok = O;
    type Result = Result<O, Failure>;

    fn record(output: O) -> Recorded {
        Payload::encode(&output)
    }

    fn restore(recorded: Recorded) -> Result<O, Failure> {
        recorded?.decode()
    }

    fn result(recorded: Recorded) -> Self::Result {
        Self::restore(recorded)
    }

    fn is_failure(_output: &O) -> bool {
        false
    }

    fn checked(recorded: Recorded) -> Result<O, Failure> {
        Self::restore(recorded)
    }
}

macro_rules! returned_result {
    ($is_std_error:literal, $($bound:path)?, $causes:expr) => {
        impl<T, E> Returned<Result<T, E>> for Kind<true, $is_std_error>
        where
            T: Storable,
            E: Storable + Display + From<Failure> $(+ $bound)?,
        {
            type Ok = T;
            type Result = Result<T, E>;

            fn record(output: Result<T, E>) -> Recorded {
                let causes: fn(&E) -> Vec<String> = $causes;
                match output {
                    Ok(value) => Payload::encode(&value),
                    Err(error) => {
                        let inner = as_error(&error).and_then(Error::failure);
                        Err(Failure::application(&error, causes(&error), inner.map_or(&[], Failure::calls)))
                    }
                }
            }

            fn restore(recorded: Recorded) -> Result<Result<T, E>, Failure> {
                Ok(<Self as Returned<Result<T, E>>>::result(recorded))
            }

            fn result(recorded: Recorded) -> Result<T, E> {
                <Self as Returned<Result<T, E>>>::checked(recorded).map_err(own_error)
            }

            fn is_failure(output: &Result<T, E>) -> bool {
                output.is_err()
            }

            fn checked(recorded: Recorded) -> Result<T, Failure> {
                recorded?.decode()
            }
        }
    };
}

returned_result!(true, std::error::Error, |error| causes_of(error));
returned_result!(false, , |error| {
    as_error(error).map_or_else(Vec::new, |error| error.causes().to_vec())
});

/// The error, if it is the library's own.
fn as_error<E: 'static>(error: &E) -> Option<&Error> {
    (error as &dyn std::any::Any).downcast_ref()
}

/// The error a function returned, from its recorded form; an engine's failure by its `From`.
fn own_error<E: DeserializeOwned + From<Failure>>(failure: Failure) -> E {
    match failure.payload() {
        Some(payload) if failure.kind() == FailureKind::Application => {
            payload.decode().unwrap_or_else(|codec: Failure| E::from(codec.context(failure.to_string())))
        }
        _ => E::from(failure),
    }
}
