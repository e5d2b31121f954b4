//! Which adaptors of `futures` 0.3 an orchestrator may await: each of them, row by row.

use std::marker::PhantomData;

use dacapo::{Activity, Durable, DurableStream, activity, orchestrator, testing};
use futures::future::{self, FutureExt, TryFutureExt};
use futures::stream::{self, StreamExt, TryStreamExt};

#[activity]
async fn double(n: u32) -> u32 {
    n * 2
}

#[activity]
async fn half(n: u32) -> dacapo::Result<u32> {
    if n % 2 == 1 { Err(std::io::Error::other("odd"))? } else { Ok(n / 2) }
}

struct Probe<T>(PhantomData<T>);

fn of<T>(_: &T) -> Probe<T> {
    Probe(PhantomData)
}

/// An inherent method that applies wins over a trait's.
trait Otherwise {
    fn is_durable(&self) -> bool {
        false
    }
    fn is_durable_stream(&self) -> bool {
        false
    }
}

impl<T> Otherwise for Probe<T> {}

impl<T: Durable> Probe<T> {
    fn is_durable(&self) -> bool {
        true
    }
}

impl<T: DurableStream> Probe<T> {
    fn is_durable_stream(&self) -> bool {
        true
    }
}

macro_rules! rows {
    ($($method:ident $expected:literal: { $($made:expr;)* })*) => {
        $($( assert_eq!(of(&$made).$method(), $expected, stringify!($made)); )*)*
    };
}

fn calls() -> impl DurableStream<Item = Activity<impl dacapo::Function<Output = u32>>> {
    stream::iter([1, 2]).map(double)
}

fn numbers() -> impl DurableStream<Item = u32> + Unpin {
    stream::iter([1, 2])
}

fn results() -> impl DurableStream<Item = dacapo::Result<u32>> + Unpin {
    stream::iter([Ok(1), Ok(2)])
}

fn streams() -> impl DurableStream<Item = stream::Iter<std::vec::IntoIter<u32>>> {
    stream::iter([stream::iter(vec![1]), stream::iter(vec![2])])
}

fn result_streams() -> impl DurableStream<Item = dacapo::Result<stream::Iter<std::vec::IntoIter<dacapo::Result<u32>>>>> {
    stream::iter([Ok(stream::iter(vec![Ok(1)]))])
}

#[test]
fn the_futures_of_futures_are_durable_when_what_they_combine_is() {
    rows! {
        is_durable true: {
            double(1); half(2);
            double(1).map(|n| n + 1); double(1).then(double); double(1).inspect(|_| ()); double(1).fuse(); double(1).shared();
            double(1).map(double).flatten(); double(1).map_into::<u64>(); double(1).never_error(); double(1).unit_error();
            double(1).left_future::<future::Ready<u32>>(); std::panic::AssertUnwindSafe(double(1)).catch_unwind();
            half(2).map_ok(|n| n + 1); half(2).map_err(|error| error.to_string()); half(2).and_then(half); half(2).or_else(|_| half(2));
            half(2).ok_into::<u64>(); half(2).err_into::<dacapo::Error>(); half(2).unwrap_or_else(|_| 0); TryFutureExt::into_future(half(2));
            half(2).map_ok_or_else(|_| 0, |n| n); half(2).inspect_ok(|_| ()); half(2).inspect_err(|_| ());
            half(2).map_ok(half).try_flatten();
            future::join(double(1), double(2)); future::join3(double(1), double(2), double(3)); future::join_all([double(1)]);
            future::try_join(half(2), half(4)); future::try_join3(half(2), half(4), half(6)); future::try_join_all([half(2)]);
            future::select(double(1), double(2)); future::try_select(half(2), half(4)); future::select_all([double(1)]);
            future::select_ok([half(2)]); future::maybe_done(double(1)); future::try_maybe_done(half(2));
            future::OptionFuture::from(Some(double(1))); future::ready(1); future::pending::<u32>(); future::always_ready(|| 1);
            future::poll_immediate(double(1));
        }
        is_durable false: {
            // A closure that sees the waker can wait for anything.
            future::poll_fn(|_| std::task::Poll::Ready(1));
            future::lazy(|_| 1);
            // It can be aborted from outside the orchestrator; drop the future instead.
            future::abortable(double(1)).0;
            // It forgets that the call is durable; `Box::pin` does not.
            double(1).boxed();
        }
    }
}

#[test]
fn the_ends_of_streams_are_durable_when_the_streams_are() {
    rows! {
        is_durable true: {
            numbers().next(); results().try_next(); numbers().into_future(); numbers().fuse().select_next_some();
            numbers().collect::<Vec<_>>(); results().try_collect::<Vec<_>>(); numbers().count();
            stream::iter([vec![1]]).concat(); results().map_ok(|n| vec![n]).try_concat();
            numbers().map(|n| (n, n)).unzip::<_, _, Vec<_>, Vec<_>>();
            numbers().fold(0, |sum, n| double(sum + n)); results().try_fold(0, |sum, n| half(sum + n));
            numbers().for_each(|_| future::ready(())); numbers().for_each_concurrent(2, |_| future::ready(()));
            results().try_for_each(|n| half(n).map_ok(|_| ())); results().try_for_each_concurrent(2, |n| half(n).map_ok(|_| ()));
            numbers().any(|_| future::ready(true)); numbers().all(|_| future::ready(true));
            results().try_any(|_| future::ready(true)); results().try_all(|_| future::ready(true));
            std::pin::pin!(numbers().peekable()).peek(); std::pin::pin!(numbers().peekable()).peek_mut();
            std::pin::pin!(numbers().peekable()).next_if(|n| *n > 1); std::pin::pin!(numbers().peekable()).next_if_eq(&1);
        }
    }
}

#[test]
fn the_streams_of_futures_are_durable_when_what_they_combine_is() {
    rows! {
        is_durable_stream true: {
            calls().buffered(2); calls().buffer_unordered(2); calls().collect::<stream::FuturesUnordered<_>>().into_stream();
            numbers().map(|n| n); numbers().then(double); numbers().filter(|_| future::ready(true));
            numbers().filter_map(|n| double(n).map(Some)); numbers().take_while(|_| future::ready(true));
            numbers().skip_while(|_| future::ready(true)); numbers().take_until(double(1)); numbers().take(1); numbers().skip(1);
            numbers().scan(0, |_, n| double(n).map(Some)); numbers().fuse(); numbers().enumerate(); numbers().chunks(2);
            numbers().ready_chunks(2); numbers().peekable(); numbers().chain(numbers()); numbers().zip(numbers());
            numbers().inspect(|_| ()); stream::iter([1]).cycle(); streams().flatten(); streams().flatten_unordered(2);
            numbers().flat_map(|n| stream::iter(vec![n])); numbers().flat_map_unordered(2, |n| stream::iter(vec![n]));
            double(1).into_stream(); double(1).map(|n| stream::iter(vec![n])).flatten_stream();
            half(2).map_ok(|n| stream::iter(vec![dacapo::Result::Ok(n)])).try_flatten_stream();
            results().map_ok(|n| n); results().map_err(|error| error.to_string()); results().err_into::<dacapo::Error>();
            results().and_then(half); results().or_else(|_| half(2)); results().inspect_ok(|_| ()); results().inspect_err(|_| ());
            results().into_stream(); results().try_filter(|_| future::ready(true)); results().try_filter_map(|n| half(n).map_ok(Some));
            results().try_take_while(|_| future::ok(true)); results().try_skip_while(|_| future::ok(true));
            results().map_ok(half).try_buffered(2); results().map_ok(half).try_buffer_unordered(2);
            result_streams().try_flatten(); result_streams().try_flatten_unordered(2);
            results().try_chunks(2); results().try_ready_chunks(2);
            stream::unfold(0, |n| double(n).map(move |m| Some((m, n + 1)))); stream::try_unfold(0, |n| half(n).map_ok(move |m| Some((m, n))));
            stream::iter([1]); stream::empty::<u32>(); stream::once(double(1)); stream::repeat(1); stream::repeat_with(|| 1);
            stream::pending::<u32>(); stream::select(numbers(), numbers()); stream::select_all([numbers()]);
            stream::select_with_strategy(numbers(), numbers(), |_: &mut ()| stream::PollNext::Left);
            stream::poll_immediate(numbers()); std::panic::AssertUnwindSafe(stream::iter([1])).catch_unwind();
        }
        is_durable_stream false: {
            stream::poll_fn(|_| std::task::Poll::Ready(Some(1)));
            stream::abortable(numbers()).0;
            numbers().boxed();
        }
    }
}

/// Awaits what was missing once, with calls inside.
#[orchestrator]
async fn combined(items: Vec<u32>) -> dacapo::Result<Vec<u32>> {
    let mut found = Vec::new();
    let pages = stream::unfold(1, |page| async move { if page < 4 { Some((double(page).await, page + 1)) } else { None } });
    found.extend(pages.collect::<Vec<_>>().await);
    let counts = stream::iter(items.clone()).scan(0, |sum, n| {
        *sum += n;
        future::ready(Some(half(*sum)))
    });
    let halves = counts.buffered(2);
    found.extend(halves.try_collect::<Vec<_>>().await?);
    let started = stream::iter(items.clone()).map(|n| dacapo::Result::Ok(half(n))).try_buffered(2);
    found.extend(started.try_collect::<Vec<_>>().await?);
    let pairs = stream::iter(items).flat_map(|n| stream::iter([n, n + 1])).zip(stream::repeat(1)).map(|(n, one)| double(n + one));
    found.extend(pairs.buffered(3).collect::<Vec<_>>().await);
    Ok(found)
}

#[test]
fn combined_streams_survive_a_crash_after_every_commit() {
    testing::crash_everywhere(|harness| {
        harness.real(double);
        harness.real(half);
        let found = harness.run(combined(vec![2, 4])).map_err(|error| error.to_string());
        assert_eq!(found, Ok(vec![2, 4, 6, 1, 3, 1, 2, 6, 8, 10, 12]));
    });
}
