//! What is emitted when the item cannot be expanded as it should be: enough for the rest of the program to be checked.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Item, ItemFn, TraitItemFn};

use crate::Role;
use crate::context::Context;
use crate::expand::Expansion;
use crate::signature::output;

/// The function, or the reason why there is none.
pub(crate) fn function(role: Role, item: TokenStream) -> Result<ItemFn, syn::Error> {
    let misplaced = |tokens: &dyn ToTokens| {
        let instead = if role == Role::Activity { "write it on a `fn` or an `async fn`" } else { "write it on an `async fn`" };
        syn::Error::new_spanned(tokens.to_token_stream(), format!("`#[{}]` stands on a function with a body; {instead}", role.attribute()))
    };
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Fn(function)) => Ok(function),
        Ok(Item::Struct(item)) => Err(misplaced(&item.struct_token)),
        Ok(Item::Enum(item)) => Err(misplaced(&item.enum_token)),
        Ok(Item::Impl(item)) => Err(misplaced(&item.impl_token)),
        Ok(Item::Trait(item)) => Err(misplaced(&item.trait_token)),
        Ok(Item::Mod(item)) => Err(misplaced(&item.mod_token)),
        Ok(other) => Err(misplaced(&other)),
        Err(error) => match syn::parse2::<TraitItemFn>(item) {
            Ok(method) if method.default.is_none() => Err(misplaced(&method.sig.ident)),
            _ => Err(error),
        },
    }
}

/// The same public function with a body that is never reached.
///
/// A type that cannot be recorded must not reach an `impl`, where it would be reported again in other words.
pub(crate) fn expand(expansion: &Expansion<'_>, cx: Context) -> TokenStream {
    let Expansion { function, krate, marker, .. } = expansion;
    let errors = cx.check();
    let (outer, vis, sig) = (&expansion.outer, &function.vis, &function.sig);
    let conditions = &expansion.conditions;
    if sig.receiver().is_some() || expansion.arguments.inline {
        return quote!(#errors #(#outer)* #[allow(unused_variables)] #vis #sig { ::core::unreachable!() });
    }
    let mut signature = sig.clone();
    signature.asyncness = None;
    signature.constness = None;
    signature.safety = syn::Safety::Default;
    signature.abi = None;
    signature.variadic = None;
    for (input, parameter) in signature.inputs.iter_mut().zip(&expansion.parameters) {
        if let syn::FnArg::Typed(typed) = input {
            let ident = &parameter.ident;
            typed.attrs.clear();
            *typed.pat = syn::parse_quote!(#ident);
        }
    }
    let call = expansion.call_type();
    signature.output = syn::parse_quote!(-> #call);
    let ty = if expansion.output_is_sound { output(sig) } else { syn::parse_quote!(()) };
    let kind = expansion.kind(&ty);
    quote! {
        #errors
        #(#outer)*
        #[allow(unused_variables)]
        #vis #signature { ::core::unreachable!() }

        #(#conditions)*
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #vis struct #marker;

        #(#conditions)*
        impl #krate::__private::Function for #marker {
            const NAME: &'static ::core::primitive::str = "";
            const SITE: #krate::__private::Site = #krate::__private::Site { file: "", line: 0 };
            type Input = ();
            type Output = #ty;
            type Kind = #kind;
            fn codec() -> #krate::__private::Codec<()> { ::core::unreachable!() }
            async fn call((): ()) -> #ty { ::core::unreachable!() }
        }
    }
}
