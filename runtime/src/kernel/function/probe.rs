//! Questions to the compiler about a declared return type.

use std::marker::PhantomData;

/// Asks the compiler about a concrete type: an inherent constant that applies wins over a trait's.
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T, E> Probe<Result<T, E>> {
    /// The type is a `Result`.
    pub const IS_RESULT: bool = true;
}

/// The answer of [`Probe`] for every other type. Must be in scope where the probe is asked.
pub trait NotResult {
    /// The type is not a `Result`.
    const IS_RESULT: bool = false;
}

impl<T> NotResult for Probe<T> {}

impl<T> Probe<Option<Option<T>>> {
    /// `Some(None)` and `None` are recorded alike.
    pub const IS_DISTINCT: bool = false;
}

impl Probe<Option<()>> {
    /// `Some(())` and `None` are recorded alike.
    pub const IS_DISTINCT: bool = false;
}

/// The answer of [`Probe`] for every other type. Must be in scope where the probe is asked.
pub trait IsDistinct {
    /// The type itself records no two values alike.
    const IS_DISTINCT: bool = true;
}

impl<T: ?Sized> IsDistinct for Probe<T> {}

/// A type that records no two values alike, given what [`Probe`] says of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in the history [signature, see docs/rules.md#signature]",
    label = "it is recorded as JSON, where `Some(None)`, `Some(())` and `None` are all `null`",
    note = "use an `enum` that names the cases"
)]
pub trait Distinct<const IS_DISTINCT: bool> {
    /// Named where the check is wanted.
    const CHECKED: () = ();
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized> Distinct<true> for T {}

/// Asks the compiler whether a `Result`'s error is a `std::error::Error`.
pub struct ErrorProbe<T>(PhantomData<T>);

impl<T, E: std::error::Error> ErrorProbe<Result<T, E>> {
    /// The error has sources.
    pub const IS_STD_ERROR: bool = true;
}

/// The answer of [`ErrorProbe`] for every other type. Must be in scope where the probe is asked.
pub trait NotStdError {
    /// The error has no sources.
    const IS_STD_ERROR: bool = false;
}

impl<T> NotStdError for ErrorProbe<T> {}
