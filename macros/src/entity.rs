//! The expansion of `#[entity]`: the handle of a type, and its operations by name.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{Attribute, Expr, ImplItem, ImplItemFn, Item, ItemImpl, Path, ReceiverKind, Type};

use crate::args::crate_path;
use crate::attributes;
use crate::context::Context;
use crate::recorded;
use crate::signature::{self, Parameter};

const NOUN: &str = "an operation";

/// The arguments of the attribute.
struct Arguments {
    name: Option<Expr>,
    krate: Path,
}

/// One operation of an entity.
struct Operation<'a> {
    method: &'a ImplItemFn,
    name: String,
    parameters: Vec<Parameter>,
    changes: bool,
    /// The hidden type that stands for it.
    marker: Ident,
    /// What callers see of its attributes.
    outer: Vec<Attribute>,
    conditions: Vec<Attribute>,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut cx = Context::default();
    let arguments = parse(arguments, &mut cx);
    let block = match block(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            cx.push(error);
            let errors = cx.check(&[]);
            return quote!(#item #errors);
        }
    };
    let Some(ident) = target(&block, &mut cx) else {
        let errors = cx.check(&[]);
        return quote!(#block #errors);
    };
    let methods = block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    });
    let operations: Vec<_> = methods.filter_map(|method| operation(&ident, method, &mut cx)).collect();
    let emitted = emit(&arguments, &block, &ident, &operations);
    let errors = cx.check(&[]);
    quote!(#block #emitted #errors)
}

fn parse(tokens: TokenStream, cx: &mut Context) -> Arguments {
    let mut arguments = Arguments { name: None, krate: syn::parse_quote!(::dacapo) };
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("name") {
            arguments.name = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("crate") {
            arguments.krate = crate_path(meta.value()?)?;
        } else {
            return Err(meta.error("unknown argument; `#[entity]` takes `name` and `crate`"));
        }
        Ok(())
    });
    if let Err(error) = parser.parse2(tokens) {
        cx.push(error);
    }
    arguments
}

fn block(item: TokenStream) -> syn::Result<ItemImpl> {
    match syn::parse2::<Item>(item)? {
        Item::Impl(block) => Ok(block),
        other => {
            let message = "`#[entity]` stands on the `impl` block with the operations; the type itself needs no attribute but \
                           `#[derive(Default, serde::Serialize, serde::Deserialize)]`";
            Err(syn::Error::new_spanned(other, message))
        }
    }
}

/// The type whose operations these are.
fn target(block: &ItemImpl, cx: &mut Context) -> Option<Ident> {
    let before = cx.len();
    if let Some((path, _)) = &block.trait_ {
        cx.on(path, "operations belong to the type, not to a trait; write `impl Counter { .. }`");
    }
    if !block.generics.params.is_empty() {
        let message = "an entity cannot be generic; it is found by its name after a restart; write one type for each state";
        cx.on_signature(&block.generics, message);
    }
    let ident = match &*block.self_ty {
        Type::Path(path) => path.path.segments.last().filter(|last| last.arguments.is_none()).map(|last| last.ident.clone()),
        _ => None,
    };
    if ident.is_none() && cx.len() == before {
        cx.on(&block.self_ty, "an entity is a struct or an enum of your own, without generics; name it here");
    }
    ident.filter(|_| cx.len() == before)
}

/// An operation, unless something is wrong with it.
fn operation<'a>(entity: &Ident, method: &'a ImplItemFn, cx: &mut Context) -> Option<Operation<'a>> {
    let before = cx.len();
    let sig = &method.sig;
    let mut refuse = |tokens: &dyn ToTokens, message: &str| cx.on_signature(tokens, format!("{NOUN} {message}"));
    if let Some(token) = &sig.asyncness {
        refuse(
            token,
            "cannot be `async`: others would have to wait while it waits; let an orchestrator await, and call a plain `fn` here",
        );
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        refuse(
            token,
            "cannot be `unsafe`; the runtime calls it, with nobody to keep its contract; put the `unsafe` block into its body",
        );
    }
    match sig.receiver() {
        Some(syn::Receiver { kind: ReceiverKind::Reference(_, None, _), .. }) => {}
        Some(receiver) => {
            refuse(receiver, "borrows the state, which outlives it; write `&mut self`, or `&self` where it only reads")
        }
        None => refuse(&sig.ident, "takes `&mut self` or `&self`; put other functions into an `impl` block without `#[entity]`"),
    }
    if sig.ident == "at" {
        refuse(&sig.ident, "cannot be called `at`, which names an entity by its key; give it another name");
    }
    signature::recorded(NOUN, sig, cx);
    let name = sig.ident.unraw().to_string();
    let (outer, _, conditions) = attributes::split(method.attrs.clone());
    let span = Span::call_site().located_at(sig.ident.span());
    (cx.len() == before).then(|| Operation {
        method,
        parameters: signature::parameters(sig),
        changes: sig.receiver().is_some_and(|receiver| matches!(receiver.kind, ReceiverKind::Reference(_, _, Some(_)))),
        marker: format_ident!("__dacapo_{entity}_{name}", span = span),
        name,
        outer,
        conditions,
    })
}

/// What is emitted beside the block.
struct Emitted<'a> {
    krate: &'a Path,
    /// The type of the state.
    ty: &'a Type,
    ident: &'a Ident,
    /// The type that stands for one entity.
    handle: Ident,
    name: TokenStream,
    conditions: Vec<Attribute>,
    operations: &'a [Operation<'a>],
    /// Whether the block has a function of its own that is called `at`.
    is_at_taken: bool,
}

fn emit(arguments: &Arguments, block: &ItemImpl, ident: &Ident, operations: &[Operation<'_>]) -> TokenStream {
    let krate = &arguments.krate;
    let name = match &arguments.name {
        Some(name) => name.to_token_stream(),
        None => ident.unraw().to_string().to_lowercase().into_token_stream(),
    };
    let emitted = Emitted {
        krate,
        ty: &block.self_ty,
        ident,
        handle: format_ident!("{ident}Entity", span = Span::call_site().located_at(ident.span())),
        name,
        conditions: attributes::split(block.attrs.clone()).2,
        operations,
        is_at_taken: block.items.iter().any(|item| matches!(item, ImplItem::Fn(method) if method.sig.ident == "at")),
    };
    let (handle, at, implementation) = (emitted.handle(), emitted.at(), emitted.implementation());
    let markers = operations.iter().map(|operation| operation.marker(krate));
    quote! {
        #handle
        #at
        #implementation
        #(#markers)*
    }
}

impl Emitted<'_> {
    /// The type that stands for one entity, with the calls of its operations.
    fn handle(&self) -> TokenStream {
        let Self { krate, ident, handle, conditions, operations, .. } = self;
        let docs = format!(" One [`{ident}`], from [`{ident}::at`].");
        let methods = operations.iter().map(|operation| operation.method(krate));
        let delete = (!operations.iter().any(|operation| operation.name == "delete")).then(|| {
            quote! {
                /// Takes the state away: the next operation begins with the default.
                #[track_caller]
                pub fn delete(&self) -> #krate::EntityCall<#krate::__private::Delete> {
                    #krate::EntityCall::new(&self.0, &())
                }
            }
        });
        quote! {
            #(#conditions)*
            #[doc = #docs]
            #[allow(unreachable_pub, dead_code)]
            #[derive(Clone, Debug)]
            pub struct #handle(#krate::EntityId);

            #(#conditions)*
            #[allow(unreachable_pub, dead_code, clippy::too_many_arguments, clippy::needless_pass_by_value)]
            impl #handle {
                #(#methods)*
                #delete
            }

            #(#conditions)*
            impl #krate::Lockset for #handle {
                fn add_to(self, list: &mut ::std::vec::Vec<#krate::EntityId>) {
                    list.push(self.0);
                }
            }
        }
    }

    /// How to come to it, unless the block says so itself.
    fn at(&self) -> Option<TokenStream> {
        let Self { krate, ty, handle, conditions, .. } = self;
        let docs = " The entity with this key. Its instance id is `@`, the name of the entity, `@` and the key.";
        (!self.is_at_taken).then(|| {
            quote! {
                #(#conditions)*
                #[allow(unreachable_pub, dead_code)]
                impl #ty {
                    #[doc = #docs]
                    pub fn at(key: impl ::core::convert::AsRef<::core::primitive::str>) -> #handle {
                        #handle(#krate::EntityId::new::<#ty>(::core::convert::AsRef::as_ref(&key)))
                    }
                }
            }
        })
    }

    /// The state and its operations by name, as the worker runs them.
    fn implementation(&self) -> TokenStream {
        let Self { krate, ty, ident, name, conditions, operations, .. } = self;
        let private = quote!(#krate::__private);
        let site = quote::quote_spanned!(ident.span()=> ::core::file!(), line: ::core::line!());
        let names =
            operations.iter().map(|Operation { name, changes, conditions, .. }| quote!(#(#conditions)* (#name, #changes)));
        let checks = operations.iter().map(|operation| operation.check(&private));
        let arms = operations.iter().map(|operation| operation.arm(&private));
        quote! {
            #(#conditions)*
            const _: () = {
                impl #krate::Entity for #ty {
                    const NAME: &'static ::core::primitive::str = #name;
                    const SITE: #private::Site = #private::Site { file: #site };
                    const OPERATIONS: &'static [(&'static ::core::primitive::str, ::core::primitive::bool)] = &[#(#names),*];

                    #[allow(unused_variables)]
                    fn check(
                        operation: &::core::primitive::str,
                        input: &#krate::Payload,
                    ) -> ::core::option::Option<::core::result::Result<(), #krate::Failure>> {
                        match operation {
                            #(#checks,)*
                            _ => ::core::option::Option::None,
                        }
                    }

                    #[allow(unused_variables)]
                    fn operate(
                        &mut self,
                        operation: &::core::primitive::str,
                        input: &#krate::Payload,
                    ) -> ::core::option::Option<#private::Recorded> {
                        match operation {
                            #(#arms,)*
                            _ => ::core::option::Option::None,
                        }
                    }
                }

                #private::inventory::submit! { #private::EntityRegistration::of::<#ty>() }
            };
        }
    }
}

impl Operation<'_> {
    /// The arm that reads its arguments and does nothing with them.
    fn check(&self, private: &TokenStream) -> TokenStream {
        let Self { name, marker, conditions, .. } = self;
        quote! {
            #(#conditions)*
            #name => ::core::option::Option::Some(
                (<#marker as #private::EntityOperation>::codec().decode)(input).map(::core::mem::drop)
            )
        }
    }

    /// The arm that runs it.
    fn arm(&self, private: &TokenStream) -> TokenStream {
        let Self { name, marker, conditions, method, parameters, .. } = self;
        let called = &method.sig.ident;
        let fields = recorded::input_fields(parameters.len());
        let operation = quote!(<#marker as #private::EntityOperation>);
        quote! {
            #(#conditions)*
            #name => ::core::option::Option::Some((#operation::codec().decode)(input).and_then(|input| {
                <#operation::Kind as #private::Returned<#operation::Output>>::record(self.#called(#(#fields),*))
            }))
        }
    }

    /// The call of the operation.
    fn method(&self, krate: &Path) -> TokenStream {
        let Self { marker, outer, parameters, .. } = self;
        let (vis, ident) = (&self.method.vis, &self.method.sig.ident);
        let (idents, types): (Vec<_>, Vec<_>) = parameters.iter().map(|parameter| (&parameter.ident, &parameter.ty)).unzip();
        quote! {
            #(#outer)*
            #[track_caller]
            #vis fn #ident(&self, #(#idents: #types),*) -> #krate::EntityCall<#marker> {
                #krate::EntityCall::new(&self.0, &(#(#idents,)*))
            }
        }
    }

    /// The hidden type that says how the operation is recorded.
    fn marker(&self, krate: &Path) -> TokenStream {
        let Self { marker, name, parameters, conditions, .. } = self;
        let marker_type = recorded::marker(&self.method.vis, marker, conditions);
        let types = parameters.iter().map(|parameter| &parameter.ty);
        let output = signature::output(&self.method.sig);
        let kind = recorded::kind(krate, &output);
        let codec = recorded::codec(krate, parameters, &output);
        quote! {
            #marker_type

            #(#conditions)*
            impl #krate::__private::EntityOperation for #marker {
                const NAME: &'static ::core::primitive::str = #name;
                type Input = (#(#types,)*);
                type Output = #output;
                type Kind = #kind;
                #codec
            }
        }
    }
}
