//! Nothing of the user's can stand in the way of the expansion.
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

mod dacapo {
    pub struct Activity;
}
mod std {}
mod core {}

struct Kind;
struct Payload;
struct Result;
struct Option;
struct String;
struct Vec;
struct Ok;
struct Some;
struct u64;
struct usize;
struct str;
struct bool;
trait Future {}
trait Send {}
trait Function {}
trait Durable {}
trait NotResult {}
const NAME: () = ();
const CHECKED: () = ();

fn encode() {}
fn decode() {}
fn call() {}
fn __body() {}

macro_rules! file {
    () => {};
}
macro_rules! line {
    () => {};
}

#[::dacapo::activity(retry = ::dacapo::Retry::none(), max_concurrent = 3)]
async fn price(input: u32, payload: ::std::string::String) -> u32 {
    file!();
    line!();
    let _ = payload;
    input
}

#[::dacapo::orchestrator]
async fn run(fields: u32, index: ::std::vec::Vec<u32>) -> ::std::result::Result<u32, ::std::string::String> {
    call();
    let branch = async { price(fields, ::std::string::String::new()).await };
    let _ = index;
    ::std::result::Result::Ok(branch.await)
}

fn main() {
    let _ = run(1, ::std::vec::Vec::new());
}
