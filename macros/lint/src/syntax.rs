//! Questions about expressions and patterns that need no scope.

use std::collections::HashSet;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Pat};

/// Methods that leave their receiver as it is; any other may change a `mut` one.
pub(crate) const READS: &[&str] = &[
    "len",
    "is_empty",
    "contains",
    "contains_key",
    "get",
    "iter",
    "clone",
    "cloned",
    "copied",
    "to_owned",
    "to_string",
    "as_str",
    "as_ref",
    "as_slice",
    "as_deref",
    "first",
    "last",
    "keys",
    "values",
    "is_some",
    "is_none",
    "is_ok",
    "is_err",
    "starts_with",
    "ends_with",
    "chunks",
    "windows",
    "join",
    "min",
    "max",
    "unwrap_or",
    "map",
    "and_then",
    "cmp",
    "eq",
    "peek",
    "to_vec",
    "await",
    "start",
    "id",
    "retry",
    "timeout",
    "checked",
    "binary_search",
    "position",
    "count",
    "sum",
    "any",
    "all",
    "find",
];

/// Methods that read a `Cell`, a lock or an atomic.
pub(crate) const CELL_READS: &[&str] = &["load", "borrow", "read", "into_inner"];

/// Types that are written through a shared borrow.
const CELLS: &[&str] = &["Cell", "RefCell", "OnceCell", "Mutex", "RwLock", "OnceLock"];

/// Whether `init` makes a `Cell`, a lock or an atomic, perhaps behind an `Rc`.
pub(crate) fn is_cell(init: &Expr) -> bool {
    let Expr::Call(call) = init else { return false };
    let Expr::Path(func) = &*call.func else { return false };
    let owner = func.path.segments.iter().rev().nth(1).map(|owner| owner.ident.to_string());
    match owner.as_deref() {
        Some("Rc" | "Arc" | "Box") => call.args.first().is_some_and(is_cell),
        Some(owner) => CELLS.contains(&owner) || owner.starts_with("Atomic"),
        None => false,
    }
}

/// Methods that hand out a mutable borrow of their receiver.
pub(crate) const BORROWS: &[&str] = &[
    "iter_mut",
    "get_mut",
    "entry",
    "last_mut",
    "first_mut",
    "as_mut",
    "values_mut",
    "chunks_mut",
    "or_default",
    "or_insert",
    "or_insert_with",
    "as_deref_mut",
];

/// What a place, a method chain or a borrow is taken from; a field is its own place.
pub(crate) fn base_of(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Index(expr) => Some(&expr.expr),
        Expr::Paren(expr) => Some(&expr.expr),
        Expr::Group(expr) => Some(&expr.expr),
        Expr::Reference(expr) => Some(&expr.expr),
        Expr::Unary(expr) => Some(&expr.expr),
        Expr::MethodCall(expr) => Some(&expr.receiver),
        Expr::Try(expr) => Some(&expr.expr),
        _ => None,
    }
}

/// `running: FuturesUnordered<_>`
pub(crate) fn is_typed_stream(pat: &Pat) -> bool {
    let Pat::Type(typed) = pat else { return false };
    let syn::Type::Path(ty) = &*typed.ty else { return false };
    ty.path.segments.last().is_some_and(|last| last.ident == "FuturesOrdered" || last.ident == "FuturesUnordered")
}

pub(crate) fn untyped(pat: &Pat) -> &Pat {
    if let Pat::Type(typed) = pat { &typed.pat } else { pat }
}

pub(crate) fn mutable_names(pat: &Pat) -> HashSet<String> {
    struct Names(HashSet<String>);
    impl Visit<'_> for Names {
        fn visit_pat_ident(&mut self, pat: &syn::PatIdent) {
            if pat.mutability.is_some() {
                self.0.insert(pat.ident.to_string());
            }
            visit::visit_pat_ident(self, pat);
        }
        fn visit_type_reference(&mut self, _: &syn::TypeReference) {}
    }
    let mut names = Names(HashSet::new());
    names.visit_pat(pat);
    names.0
}

pub(crate) fn borrows_mutably(expr: &Expr) -> bool {
    match expr {
        Expr::Reference(expr) => expr.mutability.is_some(),
        Expr::Paren(expr) => borrows_mutably(&expr.expr),
        Expr::Try(expr) => borrows_mutably(&expr.expr),
        Expr::MethodCall(call) => BORROWS.contains(&call.method.to_string().as_str()) || borrows_mutably(&call.receiver),
        _ => false,
    }
}

/// Whether a condition holds for an `Err`, and whether it holds for an `Ok`.
pub(crate) fn outcome_of(condition: &Expr) -> (bool, bool) {
    match condition {
        Expr::Let(expr) => (is_variant(&expr.pat, "Err"), is_variant(&expr.pat, "Ok")),
        Expr::MethodCall(call) => (call.method == "is_err", call.method == "is_ok"),
        Expr::Unary(expr) => {
            let (on_error, on_success) = outcome_of(&expr.expr);
            (on_success, on_error)
        }
        Expr::Paren(expr) => outcome_of(&expr.expr),
        _ => (false, false),
    }
}

pub(crate) fn is_variant(pat: &Pat, name: &str) -> bool {
    match pat {
        Pat::TupleStruct(pat) => pat.path.segments.last().is_some_and(|last| last.ident == name),
        Pat::Paren(pat) => is_variant(&pat.pat, name),
        Pat::Or(pat) => pat.cases.iter().all(|case| is_variant(case, name)),
        _ => false,
    }
}

pub(crate) fn is_named(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

pub(crate) fn compound(op: &BinOp) -> bool {
    use BinOp::{
        AddAssign, BitAndAssign, BitOrAssign, BitXorAssign, DivAssign, MulAssign, RemAssign, ShlAssign, ShrAssign, SubAssign,
    };
    matches!(
        op,
        AddAssign(_)
            | SubAssign(_)
            | MulAssign(_)
            | DivAssign(_)
            | RemAssign(_)
            | BitXorAssign(_)
            | BitAndAssign(_)
            | BitOrAssign(_)
            | ShlAssign(_)
            | ShrAssign(_)
    )
}

/// The expressions directly inside another one.
#[derive(Default)]
pub(crate) struct Children<'e> {
    pub(crate) found: Vec<&'e Expr>,
}
impl<'e> Visit<'e> for Children<'e> {
    fn visit_expr(&mut self, expr: &'e Expr) {
        self.found.push(expr);
    }
    fn visit_type(&mut self, _: &'e syn::Type) {}
    fn visit_attribute(&mut self, _: &'e syn::Attribute) {}
    fn visit_path(&mut self, _: &'e syn::Path) {}
}

/// Where an expression calls `.start()`.
#[derive(Default)]
pub(crate) struct Starts {
    depth: usize,
    pub(crate) here: bool,
    pub(crate) in_closure: bool,
    pub(crate) collected: bool,
}
impl Visit<'_> for Starts {
    fn visit_expr_method_call(&mut self, call: &syn::ExprMethodCall) {
        if call.method == "start" && call.args.is_empty() {
            self.here |= self.depth == 0;
            self.in_closure |= self.depth > 0;
        }
        self.collected |= call.method == "collect";
        visit::visit_expr_method_call(self, call);
    }

    /// `.map(Activity::start)` hands the method on.
    fn visit_expr_path(&mut self, path: &syn::ExprPath) {
        self.in_closure |= path.path.segments.len() > 1 && path.path.segments.last().is_some_and(|last| last.ident == "start");
    }

    fn visit_expr_closure(&mut self, closure: &syn::ExprClosure) {
        self.depth += 1;
        visit::visit_expr_closure(self, closure);
        self.depth -= 1;
    }

    fn visit_expr_await(&mut self, _: &syn::ExprAwait) {}
}

/// The value of each name of a pattern, where both can be told apart: `a` of `f(x)`, or `(a, [b, c])` of `(f(x), [g(y), h(z)])`.
pub(crate) fn named_values<'e>(pat: &Pat, value: &'e Expr) -> Option<Vec<&'e Expr>> {
    let (names, values) = match (untyped(pat), value) {
        (Pat::Ident(pat), value) => return pat.subpat.is_none().then(|| vec![value]),
        (Pat::Wild(_), _) => return Some(Vec::new()),
        (pat, Expr::Paren(value)) => return named_values(pat, &value.expr),
        (Pat::Tuple(names), Expr::Tuple(values)) => (&names.elems, &values.elems),
        (Pat::Slice(names), Expr::Array(values)) => (&names.elems, &values.elems),
        _ => return None,
    };
    if names.len() != values.len() {
        return None;
    }
    names.iter().zip(values).map(|(name, value)| named_values(name, value)).collect::<Option<Vec<_>>>().map(|all| all.concat())
}
