//! How the arguments and the result of a function are recorded.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Attribute, Path, Type, Visibility};

use crate::owned;
use crate::signature::{self, Parameter};
use crate::spans::{Ends, ends};

/// The hidden type that stands for a function or an operation.
pub(crate) fn marker(vis: &Visibility, marker: &Ident, conditions: &[Attribute]) -> TokenStream {
    quote! {
        #(#conditions)*
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #vis struct #marker;
    }
}

/// Both directions stand in one function, so that an argument that cannot be stored is one error, at its type.
pub(crate) fn codec(krate: &Path, parameters: &[Parameter], output: &Type) -> TokenStream {
    let distinct = distinct(krate, parameters, output);
    let count = parameters.len();
    let keys: Vec<_> = parameters.iter().map(|parameter| &parameter.key).collect();
    let fields = input_fields(count);
    let storable = parameters.iter().map(|Parameter { ty, .. }| {
        let (first, last) = ends(ty);
        let open = quote_spanned!(first=> <);
        let close = |method: &str| Ident::new(method, last);
        let (store, load) = (close("store"), close("load"));
        let ty = quote!(#open #ty as #krate::__private::Stored>);
        (quote!(#ty::#store), quote!(#ty::#load))
    });
    let (store, load): (Vec<_>, Vec<_>) = storable.unzip();
    quote! {
        fn codec() -> #krate::__private::Codec<Self::Input> {
            #distinct
            #krate::__private::Codec {
                encode: |input| {
                    let mut encoder = #krate::__private::Encoder::new(#count);
                    #(#store(&#fields, #keys, &mut encoder);)*
                    encoder.finish()
                },
                decode: |payload| {
                    let mut decoder = #krate::__private::Decoder::new(payload, #count)?;
                    ::core::result::Result::Ok((#(#load(#keys, &mut decoder)?,)*))
                },
            }
        }
    }
}

/// Checks that no type of the signature loses a value in JSON, under whatever name it stands there.
///
/// The compiler answers for each type that is spelled out, and for the success of a return type. What a type of another kind holds, such as
/// a field of a struct, is left to the check of each value.
fn distinct(krate: &Path, parameters: &[Parameter], output: &Type) -> TokenStream {
    let private = quote!(#krate::__private);
    let check = |ty: &TokenStream, (first, last): Ends| {
        let (open, checked) = (quote_spanned!(first=> <), Ident::new("CHECKED", last));
        let is_distinct = quote!({ use #private::IsDistinct as _; #private::Probe::<#ty>::IS_DISTINCT });
        quote!(#open #ty as #private::Distinct<#is_distinct>>::#checked;)
    };
    let kind = unchecked_kind(krate, output);
    let ends_of_success = signature::sides(output).0;
    let (open, ok) = (quote_spanned!(ends_of_success.0=> <), Ident::new("Ok", ends_of_success.1));
    let returned = check(&quote!(#open #kind as #private::Sides<#output>>::#ok), ends_of_success);
    let types = parameters.iter().map(|parameter| &parameter.ty).chain([output]);
    let checks = types.flat_map(owned::named).map(|ty| check(&ty.to_token_stream(), ends(ty)));
    quote! {
        const _: () = { #returned #(#checks)* };
    }
}

/// The arguments as the fields of a tuple `input`.
pub(crate) fn input_fields(count: usize) -> Vec<TokenStream> {
    let index = (0..count).map(syn::Index::from);
    index.map(|index| quote!(input.#index)).collect()
}

/// How the type `output` is recorded, as the compiler finds out.
fn unchecked_kind(krate: &Path, output: &Type) -> TokenStream {
    quote! {
        #krate::__private::Kind<
            { use #krate::__private::NotResult as _; #krate::__private::Probe::<#output>::IS_RESULT },
            { use #krate::__private::NotStdError as _; #krate::__private::ErrorProbe::<#output>::IS_STD_ERROR }
        >
    }
}

/// The same, with an error at the return type when it cannot be recorded.
///
/// The check stands in a constant of the type: when it fails, nothing that depends on the type is reported again.
pub(crate) fn kind(krate: &Path, output: &Type) -> TokenStream {
    let kind = unchecked_kind(krate, output);
    let (ok, err) = signature::sides(output);
    let side = |name: &str, (first, last): Ends| {
        let (open, name) = (quote_spanned!(first=> <), Ident::new(name, last));
        quote!(#open #kind as #krate::__private::Sides<#output>>::#name)
    };
    let (ok, err) = (side("Ok", ok), side("Err", err));
    quote! {
        #krate::__private::Kind<
            {
                <#ok as #krate::__private::Stored>::CHECKED;
                <#err as #krate::__private::StoredError>::CHECKED;
                use #krate::__private::NotResult as _;
                #krate::__private::Probe::<#output>::IS_RESULT
            },
            { use #krate::__private::NotStdError as _; #krate::__private::ErrorProbe::<#output>::IS_STD_ERROR }
        >
    }
}
