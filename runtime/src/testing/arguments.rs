//! The arguments of an activity as one value.

/// The arguments of an activity, as a mock takes them: one as it is, none and several as a tuple.
pub trait Arguments {
    /// What a mock takes.
    type Value;

    #[doc(hidden)]
    fn into_value(self) -> Self::Value;
}

impl<A> Arguments for (A,) {
    type Value = A;

    fn into_value(self) -> A {
        self.0
    }
}

macro_rules! several {
    ($($argument:ident)*) => {
        impl<$($argument),*> Arguments for ($($argument,)*) {
            type Value = Self;

            fn into_value(self) -> Self {
                self
            }
        }
    };
}

several!();
several!(A1 A2);
several!(A1 A2 A3);
several!(A1 A2 A3 A4);
several!(A1 A2 A3 A4 A5);
several!(A1 A2 A3 A4 A5 A6);
several!(A1 A2 A3 A4 A5 A6 A7);
several!(A1 A2 A3 A4 A5 A6 A7 A8);
several!(A1 A2 A3 A4 A5 A6 A7 A8 A9);
several!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);
several!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11);
several!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12);
