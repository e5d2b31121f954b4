//! The combinators of `futures` that are durable when what they combine is.

use std::pin::Pin;

use futures::future::{self, Either, Future};
use futures::stream::{self, Stream};

use crate::orchestration::durable::{Durable, DurableStream};

macro_rules! durable {
    ($trait:ident: $super:ident for $([$($generics:tt)*] $type:ty;)*) => {
        $(#[diagnostic::do_not_recommend] impl<$($generics)*> $trait for $type where Self: $super {})*
    };
}

durable! { Durable: Future for
    [F: Durable + ?Sized + Unpin] &mut F;
    [F: Durable + ?Sized + Unpin] Box<F>;
    [P: std::ops::DerefMut<Target: Durable>] Pin<P>;
    [A: Durable, B: Durable] Either<A, B>;
    [T] future::Ready<T>;
    [T] std::future::Ready<T>;
    [T] future::Pending<T>;
    [F: Durable] future::JoinAll<F>;
    [F: Durable + future::TryFuture] future::TryJoinAll<F>;
    [A: Durable, B: Durable] future::Join<A, B>;
    [A: Durable, B: Durable, C: Durable] future::Join3<A, B, C>;
    [A: Durable, B: Durable, C: Durable, D: Durable] future::Join4<A, B, C, D>;
    [A: Durable, B: Durable, C: Durable, D: Durable, E: Durable] future::Join5<A, B, C, D, E>;
    [A: Durable + future::TryFuture, B: Durable + future::TryFuture] future::TryJoin<A, B>;
    [A: Durable + future::TryFuture, B: Durable + future::TryFuture, C: Durable + future::TryFuture] future::TryJoin3<A, B, C>;
    [A: Durable + future::TryFuture, B: Durable + future::TryFuture, C: Durable + future::TryFuture, D: Durable + future::TryFuture] future::TryJoin4<A, B, C, D>;
    [A: Durable + future::TryFuture, B: Durable + future::TryFuture, C: Durable + future::TryFuture, D: Durable + future::TryFuture, E: Durable + future::TryFuture] future::TryJoin5<A, B, C, D, E>;
    [A: Durable + Unpin, B: Durable + Unpin] future::Select<A, B>;
    [A: Durable + Unpin, B: Durable + Unpin] future::TrySelect<A, B>;
    [F: Durable + Unpin] future::SelectAll<F>;
    [F: Durable + Unpin] future::SelectOk<F>;
    [F: Durable, G] future::Map<F, G>;
    [F: Durable, G] future::MapOk<F, G>;
    [F: Durable, G] future::MapErr<F, G>;
    [F: Durable, G, H] future::MapOkOrElse<F, G, H>;
    [F: Durable, T] future::MapInto<F, T>;
    [F: Durable, T] future::OkInto<F, T>;
    [F: Durable, T] future::ErrInto<F, T>;
    [F: Durable, G] future::UnwrapOrElse<F, G>;
    [F: Durable, G: Durable, H] future::Then<F, G, H>;
    [F: Durable, G: Durable, H] future::AndThen<F, G, H>;
    [F: Durable, G: Durable, H] future::OrElse<F, G, H>;
    [F: Durable<Output: Durable>] future::Flatten<F>;
    [F: Durable, G] future::Inspect<F, G>;
    [F: Durable, G] future::InspectOk<F, G>;
    [F: Durable, G] future::InspectErr<F, G>;
    [F: Durable] future::IntoFuture<F>;
    [F: Durable] future::Fuse<F>;
    [F: Durable] future::OptionFuture<F>;
    [F: Durable] future::MaybeDone<F>;
    [F: Durable<Output: Clone>] future::Shared<F>;
    [S: DurableStream + ?Sized + Unpin] stream::Next<'_, S>;
    [S: DurableStream + ?Sized + Unpin] stream::SelectNextSome<'_, S>;
    [S: DurableStream + ?Sized + Unpin] stream::TryNext<'_, S>;
    [S: DurableStream + Unpin] stream::StreamFuture<S>;
    [S: DurableStream, C] stream::Collect<S, C>;
    [S: DurableStream, C] stream::TryCollect<S, C>;
    [S: DurableStream] stream::Concat<S>;
    [S: DurableStream + stream::TryStream] stream::TryConcat<S>;
    [S: DurableStream] stream::Count<S>;
    [S: DurableStream, A: Durable, T, G] stream::Fold<S, A, T, G>;
    [S: DurableStream, A: Durable, T, G] stream::TryFold<S, A, T, G>;
    [S: DurableStream, A: Durable, G] stream::ForEach<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::ForEachConcurrent<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::TryForEach<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::TryForEachConcurrent<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::Any<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::All<S, A, G>;
}

durable! { DurableStream: Stream for
    [S: DurableStream + ?Sized + Unpin] &mut S;
    [S: DurableStream + ?Sized + Unpin] Box<S>;
    [P: std::ops::DerefMut<Target: DurableStream>] Pin<P>;
    [A: DurableStream, B: DurableStream] Either<A, B>;
    [I: Iterator] stream::Iter<I>;
    [T] stream::Empty<T>;
    [F: Durable] stream::Once<F>;
    [F: Durable] stream::FuturesUnordered<F>;
    [F: Durable] stream::FuturesOrdered<F>;
    [S: DurableStream + Stream<Item: Durable>] stream::Buffered<S>;
    [S: DurableStream + Stream<Item: Durable>] stream::BufferUnordered<S>;
    [S: DurableStream, G] stream::Map<S, G>;
    [S: DurableStream, G] stream::MapOk<S, G>;
    [S: DurableStream, G] stream::MapErr<S, G>;
    [S: DurableStream, A: Durable, G] stream::Then<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::AndThen<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::Filter<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::FilterMap<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::TakeWhile<S, A, G>;
    [S: DurableStream, A: Durable, G] stream::SkipWhile<S, A, G>;
    [S: DurableStream] stream::Take<S>;
    [S: DurableStream] stream::Skip<S>;
    [S: DurableStream] stream::Fuse<S>;
    [S: DurableStream] stream::Enumerate<S>;
    [S: DurableStream] stream::Chunks<S>;
    [S: DurableStream] stream::ReadyChunks<S>;
    [S: DurableStream] stream::Peekable<S>;
    [A: DurableStream, B: DurableStream] stream::Chain<A, B>;
    [A: DurableStream, B: DurableStream] stream::Zip<A, B>;
    [A: DurableStream, B: DurableStream] stream::Select<A, B>;
    [S: DurableStream, G] stream::Inspect<S, G>;
}
