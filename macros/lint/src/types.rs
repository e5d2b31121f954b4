//! What type an expression has, as far as annotations, constructors and the file's own signatures show it.

use crate::declared::Declared;
use crate::names::segments;
use crate::scope::{Meaning, Scope};
use crate::ty::{Local, Ty, generics};
use syn::{BinOp, Expr, ExprCall, ExprMethodCall, GenericArgument, Lit};

/// Associated functions that make a value of their own type.
const CONSTRUCTORS: &[&str] = &["new", "with_capacity", "default", "from", "from_iter", "now", "with_hasher", "now_utc"];

/// Methods that give the same type back.
const SAME: &[&str] = &["clone", "to_owned", "as_ref", "as_mut", "borrow", "borrow_mut", "by_ref"];

/// Methods that take a value out of an `Option`, a `Result` or a lock.
const INNER: &[&str] = &[
    "unwrap",
    "expect",
    "unwrap_or_default",
    "unwrap_or",
    "unwrap_or_else",
    "lock",
    "read",
    "write",
    "ok",
    "ok_or",
    "ok_or_else",
    "checked",
    "retry",
    "timeout",
    "id",
    "start",
    "into_inner",
];

/// The type of an expression, where the source shows it.
pub(crate) fn type_of(expr: &Expr, scope: &Scope<'_, Local>, declared: &Declared) -> Local {
    match expr {
        Expr::Paren(expr) => type_of(&expr.expr, scope, declared),
        Expr::Group(expr) => type_of(&expr.expr, scope, declared),
        Expr::Reference(expr) => type_of(&expr.expr, scope, declared),
        Expr::Unary(expr) if matches!(expr.op, syn::UnOp::Deref(_)) => type_of(&expr.expr, scope, declared),
        Expr::Try(expr) => type_of(&expr.expr, scope, declared).map(Ty::inner),
        Expr::Await(expr) => type_of(&expr.base, scope, declared),
        Expr::Struct(expr) => Some(Ty::named(scope.resolve(&segments(&expr.path)))),
        Expr::Cast(expr) => Ty::of(&expr.ty, scope),
        Expr::Lit(expr) => match &expr.lit {
            Lit::Int(number) => {
                Some(Ty::named(vec![if number.suffix().is_empty() { "{integer}" } else { number.suffix() }.to_owned()]))
            }
            Lit::Float(_) => Some(Ty::named(vec!["f64".to_owned()])),
            _ => None,
        },
        // `&a & &b` of sets is a set.
        Expr::Binary(expr) if matches!(expr.op, BinOp::BitAnd(_) | BinOp::BitOr(_) | BinOp::BitXor(_) | BinOp::Sub(_)) => {
            let left = type_of(&expr.left, scope, declared)?;
            left.path.last().is_some_and(|last| last.ends_with("Set")).then_some(left)
        }
        Expr::Block(expr) => match expr.block.stmts.as_slice() {
            [syn::Stmt::Expr(last, None)] => type_of(last, scope, declared),
            _ => None,
        },
        Expr::Path(expr) if expr.qself.is_none() => match scope.value(&expr.path) {
            Meaning::Local(ty) => ty,
            Meaning::Path(path) => declared.statics.get(&path).and_then(|held| held.ty.clone()).or(Some(Ty::named(path))),
        },
        Expr::Field(expr) => {
            let base = type_of(&expr.base, scope, declared)?;
            let name = match &expr.member {
                syn::Member::Unnamed(index) if base.path == ["()"] => return base.args.get(index.index as usize).cloned(),
                syn::Member::Unnamed(index) => index.index.to_string(),
                syn::Member::Named(name) => name.to_string(),
            };
            declared.fields.get(&base.path)?.get(&name).cloned()
        }
        Expr::Index(expr) if !matches!(*expr.index, Expr::Range(_)) => {
            let base = type_of(&expr.expr, scope, declared)?;
            if base.path.last()?.ends_with("Map") { base.args.into_iter().nth(1) } else { base.item() }
        }
        Expr::Call(call) => type_of_call(call, scope, declared),
        Expr::MethodCall(call) => type_of_method(call, scope, declared),
        _ => None,
    }
}

fn type_of_call(call: &ExprCall, scope: &Scope<'_, Local>, declared: &Declared) -> Local {
    let Expr::Path(func) = &*call.func else {
        return None;
    };
    let Meaning::Path(path) = scope.value(&func.path) else {
        return None;
    };
    if let Some(output) = declared.outputs.get(&path) {
        return Some(output.clone());
    }
    if path == ["dacapo", "now"] {
        return Some(Ty::named(["std", "time", "SystemTime"].map(str::to_owned).to_vec()));
    }
    let (last, owner) = path.split_last()?;
    if last == "Some" || last == "Ok" {
        return type_of(call.args.first()?, scope, declared);
    }
    if !CONSTRUCTORS.contains(&last.as_str()) || owner.is_empty() {
        return None;
    }
    let count = func.path.segments.len();
    let args = func.path.segments.iter().nth(count.checked_sub(2)?).map(|owner| generics(&owner.arguments, scope));
    Some(Ty { path: owner.to_vec(), args: args.unwrap_or_default() })
}

fn type_of_method(call: &ExprMethodCall, scope: &Scope<'_, Local>, declared: &Declared) -> Local {
    let method = call.method.to_string();
    if method == "collect" {
        return collected(call, scope);
    }
    let receiver = type_of(&call.receiver, scope, declared)?;
    let mut path = receiver.path.clone();
    path.push(method.clone());
    if let Some(output) = declared.outputs.get(&path) {
        return Some(output.clone());
    }
    if SAME.contains(&method.as_str()) {
        return Some(receiver);
    }
    INNER.contains(&method.as_str()).then(|| receiver.inner())
}

/// The type of what iterating over `expr` gives, where the source shows it.
pub(crate) fn item_of(expr: &Expr, scope: &Scope<'_, Local>, declared: &Declared) -> Local {
    let Expr::MethodCall(call) = expr else {
        return match expr {
            Expr::Paren(expr) => item_of(&expr.expr, scope, declared),
            Expr::Reference(expr) => item_of(&expr.expr, scope, declared),
            other => type_of(other, scope, declared)?.item(),
        };
    };
    given_by(call, scope, declared).or_else(|| type_of(expr, scope, declared)?.item())
}

/// The type of what an iterator gives that is made by a method.
pub(crate) fn given_by(call: &syn::ExprMethodCall, scope: &Scope<'_, Local>, declared: &Declared) -> Local {
    let of_receiver = || type_of(&call.receiver, scope, declared);
    match call.method.to_string().as_str() {
        "iter" | "iter_mut" | "into_iter" | "drain" => of_receiver()?.item(),
        "keys" | "into_keys" => of_receiver()?.args.into_iter().next(),
        "values" | "values_mut" | "into_values" => of_receiver()?.args.into_iter().nth(1),
        "rev" | "skip" | "take" | "step_by" | "cloned" | "copied" | "filter" | "inspect" | "peekable" => match &*call.receiver {
            Expr::MethodCall(inner) => given_by(inner, scope, declared),
            _ => None,
        },
        "enumerate" => {
            let item = item_of(&call.receiver, scope, declared)?;
            Some(Ty { path: vec!["()".to_owned()], args: vec![Ty::named(vec!["usize".to_owned()]), item] })
        }
        _ => None,
    }
}

/// What `.collect::<T>()` collects into.
pub(crate) fn collected(call: &syn::ExprMethodCall, scope: &Scope<'_, Local>) -> Local {
    match call.turbofish.as_ref()?.args.first()? {
        GenericArgument::Type(ty) => Ty::of(ty, scope),
        _ => None,
    }
}
