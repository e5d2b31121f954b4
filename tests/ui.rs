//! What the attributes accept, and what the compiler says of what they refuse.

#[test]
fn types() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/types/pass/*.rs");
    cases.compile_fail("tests/ui/types/fail/*.rs");
}
