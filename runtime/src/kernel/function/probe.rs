//! Questions to the compiler about a declared return type.

use std::marker::PhantomData;

/// Asks the compiler about a concrete type: an inherent constant that applies wins over a trait's.
pub struct Probe<T>(PhantomData<T>);

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
