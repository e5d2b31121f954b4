//! Collects every finding, so that all of them are reported at once.

use dacapo_lint::cite;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Attribute;

/// The findings so far. [`Context::check`] consumes it.
#[derive(Default)]
#[must_use = "findings are lost unless they are emitted"]
pub(crate) struct Context {
    findings: Vec<syn::Error>,
}

impl Context {
    /// Reports `message` at one token.
    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Reports `message` from the first of `tokens` to the last.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Reports what is wrong with a signature, from the first of `tokens` to the last.
    pub(crate) fn on_signature(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.on(tokens, cite("signature", message));
    }

    pub(crate) fn push(&mut self, finding: syn::Error) {
        self.findings.push(finding);
    }

    pub(crate) fn len(&self) -> usize {
        self.findings.len()
    }

    /// The findings as tokens that make the compiler report them, unless one of the item's `conditions` removes it.
    pub(crate) fn check(self, conditions: &[Attribute]) -> TokenStream {
        let each = self.findings.into_iter().flatten().map(|finding| finding.to_compile_error());
        each.map(|error| quote!(#(#conditions)* #error)).collect()
    }
}
