//! What every stage of the expansion is given.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Attribute, FnArg, ItemFn, Path};

use crate::args::Arguments;
use crate::kind::AttributeKind;
use crate::signature::Parameter;

/// Everything that is emitted is made from this.
pub(crate) struct Expansion<'a> {
    pub(crate) kind: AttributeKind,
    pub(crate) arguments: &'a Arguments,
    pub(crate) krate: &'a Path,
    pub(crate) function: ItemFn,
    pub(crate) parameters: Vec<Parameter>,
    /// The hidden type that stands for the function.
    pub(crate) marker: Ident,
    /// The `#[cfg]`s of the function, which every emitted item keeps.
    pub(crate) conditions: Vec<Attribute>,
    /// The attributes of the public function.
    pub(crate) outer: Vec<Attribute>,
    /// The attributes of the body.
    pub(crate) inner: Vec<Attribute>,
    /// Whether the declared return type may stand in an `impl`.
    pub(crate) output_is_sound: bool,
    /// Whether it stands in an `impl` or a `trait`, where no other item may.
    pub(crate) is_associated: bool,
}

impl Expansion<'_> {
    /// `Activity<marker>` or `Orchestration<marker>`.
    pub(crate) fn call_type(&self) -> TokenStream {
        let (krate, marker) = (self.krate, &self.marker);
        match self.kind {
            AttributeKind::Activity => quote!(#krate::Activity<#marker>),
            AttributeKind::Orchestrator => quote!(#krate::Orchestration<#marker>),
        }
    }

    /// The user's own tokens, under a name that hides no function of theirs.
    pub(crate) fn body(&self) -> TokenStream {
        let (sig, block, inner) = (&self.function.sig, &self.function.block, &self.inner);
        let (asyncness, fn_token, output) = (&sig.asyncness, &sig.fn_token, &sig.output);
        let (generics, bounds) = (&sig.generics.params, &sig.generics.where_clause);
        let generics = (!generics.is_empty()).then(|| quote!(<#generics>));
        let written = sig.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_)));
        quote! {
            // What a durable function takes is owned, whatever its body needs of it.
            #[allow(clippy::needless_pass_by_value, clippy::too_many_arguments, clippy::unused_async)]
            #(#inner)*
            #asyncness #fn_token __body #generics(#(#written),*) #output #bounds #block
        }
    }
}
