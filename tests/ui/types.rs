//! What the attributes accept, and what a user reads when they refuse.

mod mistakes;

#[test]
fn accepted_code_compiles() {
    trybuild::TestCases::new().pass("types/pass/*.rs");
}

#[test]
fn each_mistake_is_explained_at_its_token() {
    mistakes::are_refused("types/fail", &[]);
}
