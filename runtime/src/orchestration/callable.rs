//! Annotated functions as values, such as `checkout` in `attach(checkout, id)`.

use crate::kernel::function::Function;
use crate::kernel::registration::Registration;
use crate::orchestration::activity::Activity;
use crate::orchestration::child::Orchestration;

/// An annotated function as a value: `greet` itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an annotated function",
    note = "pass the function itself, as in `attach(checkout, id)`; it must carry `#[activity]` or `#[orchestrator]`"
)]
pub trait Callable<Arguments> {
    /// What a call of it gives.
    type Call: Call;

    #[doc(hidden)]
    fn registration(&self) -> Registration {
        Self::Call::REGISTRATION
    }
}

/// What a call of an annotated function gives: [`Activity`] or [`Orchestration`].
pub trait Call {
    #[doc(hidden)]
    const REGISTRATION: Registration;
}

impl<F: Function> Call for Activity<F> {
    const REGISTRATION: Registration = Registration::activity::<F>();
}

impl<F: Function> Call for Orchestration<F> {
    const REGISTRATION: Registration = Registration::orchestrator::<F>();
}

macro_rules! callable {
    ($($argument:ident)*) => {
        impl<G, R: Call, $($argument),*> Callable<($($argument,)*)> for G
        where
            G: Fn($($argument),*) -> R,
        {
            type Call = R;
        }
    };
}

callable!();
callable!(A1);
callable!(A1 A2);
callable!(A1 A2 A3);
callable!(A1 A2 A3 A4);
callable!(A1 A2 A3 A4 A5);
callable!(A1 A2 A3 A4 A5 A6);
callable!(A1 A2 A3 A4 A5 A6 A7);
callable!(A1 A2 A3 A4 A5 A6 A7 A8);
callable!(A1 A2 A3 A4 A5 A6 A7 A8 A9);
callable!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);
callable!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11);
callable!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12);
