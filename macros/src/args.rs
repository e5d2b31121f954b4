//! The arguments of the two attributes.

use dacapo_lint::{RULES, cite, rule_named};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, LitStr, Path, Token, parenthesized};

use crate::context::Context;
use crate::kind::AttributeKind;

/// What an attribute says.
pub(crate) struct Arguments {
    pub(crate) name: Option<Expr>,
    /// The version of the orchestrator.
    pub(crate) version: Option<Expr>,
    pub(crate) inline: bool,
    /// The values that become options of the runtime, in the order they were written.
    pub(crate) options: Vec<Setting>,
    /// The lint rules that are switched off.
    pub(crate) allowed: Vec<&'static str>,
    /// Where the runtime is found.
    pub(crate) krate: Path,
}

/// `key = value` for the runtime.
pub(crate) struct Setting {
    pub(crate) key: Ident,
    pub(crate) value: Expr,
}

const ACTIVITY: &[&str] =
    &["name", "retry", "retry_if", "timeout", "heartbeat_timeout", "max_concurrent", "rate_limit", "limit_key", "crate"];
const ORCHESTRATOR: &[&str] = &["name", "version", "inline", "allow", "crate"];

impl Arguments {
    /// Parses all arguments; each mistake is a finding, and the rest still counts.
    pub(crate) fn parse(kind: AttributeKind, tokens: TokenStream, cx: &mut Context) -> Self {
        let krate = syn::parse_quote!(::dacapo);
        let mut arguments = Self { name: None, version: None, inline: false, options: Vec::new(), allowed: Vec::new(), krate };
        let mut seen: Vec<Ident> = Vec::new();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = arguments.argument(kind, input, &mut seen, cx) {
                    cx.push(error);
                    while !input.is_empty() && !input.peek(Token![,]) {
                        input.parse::<TokenTree>()?;
                    }
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            cx.push(error);
        }
        if let (true, Some(name)) = (arguments.inline, &arguments.name) {
            cx.on(name, "an inline orchestrator has no name; it runs inside its caller's history; remove `name`, or `inline`");
        }
        if let (true, Some(version)) = (arguments.inline, &arguments.version) {
            cx.on(
                version,
                "an inline orchestrator has no version; it runs inside its caller's history; put `version` on the caller",
            );
        }
        if let Some(key) = arguments.option("limit_key")
            && arguments.option("max_concurrent").or(arguments.option("rate_limit")).is_none()
        {
            let message = "`limit_key` says what `max_concurrent` and `rate_limit` are counted by, and neither is given; give one, or remove \
                           `limit_key`";
            cx.at(key.key.span(), message);
        }
        arguments
    }

    fn option(&self, key: &str) -> Option<&Setting> {
        self.options.iter().find(|setting| setting.key == key)
    }

    fn argument(
        &mut self,
        kind: AttributeKind,
        input: ParseStream<'_>,
        seen: &mut Vec<Ident>,
        cx: &mut Context,
    ) -> syn::Result<()> {
        let key = input.call(Ident::parse_any).map_err(|_| {
            let example = if kind == AttributeKind::Activity { "retry = NET" } else { "name = \"checkout\"" };
            input.error(format!("expected an argument, such as `{example}`"))
        })?;
        let supported = if kind == AttributeKind::Activity { ACTIVITY } else { ORCHESTRATOR };
        if !supported.contains(&key.to_string().as_str()) {
            return Err(syn::Error::new(key.span(), unsupported(kind, &key.to_string(), supported)));
        }
        if key != "allow" && seen.contains(&key) {
            cx.at(key.span(), format!("`{key}` is given twice; keep one"));
        }
        seen.push(key.clone());
        if key == "inline" {
            self.inline = true;
            return Ok(());
        }
        if key == "allow" {
            self.allowed.push(allowed(&key, input)?);
            return Ok(());
        }
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(key.span(), format!("`{key}` needs a value: `{key} = {}`", example(&key))));
        }
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(key.span(), format!("`{key}` needs a value: `{key} = {}`", example(&key))));
        }
        if key == "crate" {
            self.krate = crate_path(input)?;
            return Ok(());
        }
        let value: Expr = input.parse()?;
        match zero(&key, &value) {
            Some(message) => cx.on(&value, message),
            None if key == "name" => self.name = Some(value),
            None if key == "version" => self.version = Some(value),
            None => self.options.push(Setting { key, value }),
        }
        Ok(())
    }
}

fn unsupported(kind: AttributeKind, key: &str, supported: &[&str]) -> String {
    let attribute = kind.attribute();
    match (kind, key) {
        (
            AttributeKind::Orchestrator,
            "retry" | "retry_if" | "timeout" | "heartbeat_timeout" | "max_concurrent" | "rate_limit" | "limit_key",
        ) => {
            let instead = match key {
                "timeout" => "put a deadline around what it awaits with `dacapo::timeout(d, future)`",
                "max_concurrent" => "put `max_concurrent` on the activities it calls",
                "heartbeat_timeout" => "put `heartbeat_timeout` on the activities it calls",
                "rate_limit" | "limit_key" => "put the limit on the activities it calls",
                _ => "put it on the activities it calls, or write `.retry(..)` where it is called as a sub-orchestration",
            };
            format!(
                "`{key}` belongs to activities; an orchestrator does no work itself and is replayed, not run again; {instead}"
            )
        }
        (AttributeKind::Activity, "version") => {
            "`version` belongs to orchestrators, which have to go on as they began; an activity has no history: \
             give the changed one another name where both are needed"
                .to_owned()
        }
        (AttributeKind::Activity, "inline" | "allow") => {
            format!("`{key}` belongs to orchestrators; the body of an activity may do anything; remove it")
        }
        _ => {
            let list: Vec<String> = supported.iter().map(|key| format!("`{key}`")).collect();
            format!("unknown argument `{key}`; `#[{attribute}]` takes {}", list.join(", "))
        }
    }
}

fn example(key: &Ident) -> &'static str {
    match key.to_string().as_str() {
        "version" => "2",
        "name" => "\"charge-card\"",
        "retry" => "Retry::fixed(Duration::from_secs(5))",
        "retry_if" => "PayError::is_transient",
        "timeout" | "heartbeat_timeout" => "Duration::from_secs(30)",
        "max_concurrent" => "10",
        "rate_limit" => "PerMinute(1000)",
        "limit_key" => "item.tenant",
        _ => "::dacapo",
    }
}

/// Why a literal cannot be meant.
fn zero(key: &Ident, value: &Expr) -> Option<&'static str> {
    if let Expr::Call(call) = value
        && let (Expr::Path(function), Some(Expr::Lit(count))) = (&*call.func, call.args.first())
        && let (Some(function), syn::Lit::Int(count)) = (function.path.segments.last(), &count.lit)
        && ["PerSecond", "PerMinute", "PerHour"].iter().any(|name| function.ident == name)
        && key == "rate_limit"
        && count.base10_digits() == "0"
    {
        return Some("a rate of 0 never lets the activity run; write 1 or more, or remove `rate_limit`");
    }
    let Expr::Lit(literal) = value else { return None };
    match &literal.lit {
        syn::Lit::Int(number) if key == "max_concurrent" && number.base10_digits() == "0" => {
            Some("a cap of 0 never lets the activity run; write 1 or more, or remove `max_concurrent`")
        }
        syn::Lit::Int(number) if key == "version" && number.base10_digits() == "0" => Some(
            "versions are counted from 1, which is also the version of an orchestrator that names none; write 2 for the next one",
        ),
        syn::Lit::Str(text) if key == "name" && text.value().is_empty() => {
            Some("the name is empty; a run is found by it when it is replayed; write one, or remove `name`")
        }
        _ => None,
    }
}

pub(crate) fn crate_path(input: ParseStream<'_>) -> syn::Result<Path> {
    let path = input.call(Path::parse_mod_style)?;
    let first = path.segments.first().map(|segment| segment.ident.to_string()).unwrap_or_default();
    if path.leading_colon.is_some() || matches!(first.as_str(), "crate" | "$crate") {
        return Ok(path);
    }
    let text = path.to_token_stream().to_string().replace(' ', "");
    let message = format!("the path must mean the same everywhere; begin it with `::` or `crate::`, such as `crate = ::{text}`");
    Err(syn::Error::new_spanned(path, message))
}

/// `(rule, reason = "…")`, the rule of which is switched off.
fn allowed(key: &Ident, input: ParseStream<'_>) -> syn::Result<&'static str> {
    let usage = "write `allow(rule, reason = \"…\")`";
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(key.span(), usage));
    }
    let inner;
    let parens = parenthesized!(inner in input);
    let whole: Span = parens.span.join();
    if inner.is_empty() {
        return Err(syn::Error::new(whole, usage));
    }
    let name = inner.call(Ident::parse_any)?;
    let rule = rule_named(&name.to_string());
    let reason = (|| {
        inner.parse::<Token![,]>().ok()?;
        (inner.call(Ident::parse_any).ok()? == "reason").then_some(())?;
        inner.parse::<Token![=]>().ok()?;
        let reason: LitStr = inner.parse().ok()?;
        inner.parse::<Option<Token![,]>>().ok()?;
        (inner.is_empty() && !reason.value().trim().is_empty()).then_some(())
    })();
    while !inner.is_empty() {
        inner.parse::<TokenTree>()?;
    }
    let rule = rule.ok_or_else(|| {
        let list: Vec<String> =
            RULES.iter().filter(|rule| rule.can_be_allowed()).map(|rule| format!("`{}`", rule.name)).collect();
        syn::Error::new(name.span(), format!("there is no rule `{name}`; the rules are {}", list.join(", ")))
    })?;
    if !rule.can_be_allowed() {
        let message = format!("`{}` cannot be switched off; {}; write {}", rule.name, rule.why, rule.instead);
        return Err(syn::Error::new(name.span(), cite(rule.name, message)));
    }
    let rule = rule.name;
    if reason.is_none() {
        let message = format!("switching a rule off needs a reason; write `allow({rule}, reason = \"…\")`");
        return Err(syn::Error::new(whole, message));
    }
    Ok(rule)
}
