//! Opening macros loses nothing and shows every expression.

use dacapo_lint::{Arguments, Kind, Opened, is_logging, open, take_sequential};
use quote::ToTokens;
use syn::{Macro, parse_quote, parse_str};

fn opened(text: &str) -> Arguments {
    let mac: Macro = parse_str(text).expect("a macro");
    match open(&mac) {
        Opened::Known(arguments) => {
            let unspaced = |tokens: String| tokens.replace(' ', "");
            let (written, given) = (arguments.to_tokens(), &mac.tokens);
            assert_eq!(unspaced(written.to_string()), unspaced(given.to_string()), "{text}");
            arguments
        }
        Opened::Unknown { .. } => panic!("{text} was not opened"),
    }
}

#[test]
fn known_macros_are_opened_and_written_back() {
    for (text, count) in [
        ("vec![]", 0),
        ("vec![a.await, b,]", 2),
        ("vec![a; n]", 2),
        ("format!(\"{a} {b:>width$} {}\", c, d = e.await)", 3),
        ("println!()", 0),
        ("write!(out, \"{}\", x)", 3),
        ("assert!(a == b, \"{}\", c)", 3),
        ("assert_eq!(a, b)", 2),
        ("matches!(x.await, Some(n) | Ok(n) if n > 1)", 2),
        ("matches!(x, A { .. })", 1),
        ("json!({ \"a\": 1, key: [x, { \"b\": null }], (k()): { } })", 7),
        ("json!([1, 2])", 2),
        ("json!(x.await)", 1),
        ("info!(\"text\")", 1),
        ("info!(target: \"t\", parent: &span, a.b = %x, ?y, z, \"s\" = 1, \"{} {v}\", w, v = u)", 9),
        ("debug!({ a = x, b = ?y }, \"text\")", 3),
        ("warn!(key = 1, other:? = x, third:debug = y; \"text {}\", z)", 5),
        ("event!(Level::INFO, a = 1, \"x\")", 3),
        ("error!(error = tracing::field::Empty, %e)", 2),
        ("bail!(\"no {x}\")", 1),
        ("ensure!(a.await?, \"no\")", 2),
        ("concat!(\"a\", 1)", 0),
        ("env!(\"X\")", 0),
        ("join!(a, b(c),)", 2),
        ("futures::try_join!(a, b)", 2),
        ("select! { a = f(x) => a, Ok(b) = g => { b } _ = h(), if ready => break, else => 1 }", 8),
        ("dacapo::select!(a = &mut f => return a, b = g => { x }, )", 4),
        ("dbg!(&a, b)", 2),
    ] {
        assert_eq!(opened(text).expressions().len(), count, "{text}");
    }
}

#[test]
fn expressions_are_replaced_in_place() {
    let mut arguments = opened("select! { a = f(x) => a, _ = g => { 1 } }");
    assert_eq!(arguments.kind(), Kind::Select);
    for future in arguments.futures_mut() {
        *future = parse_quote!(wrap(#future));
    }
    assert_eq!(arguments.to_tokens().to_string(), "a = wrap (f (x)) => a , _ = wrap (g) => { 1 }");
    let mut arguments = opened("json!({ \"a\": [x.await] })");
    for expr in arguments.expressions_mut() {
        if matches!(expr, syn::Expr::Await(_)) {
            *expr = parse_quote!(y);
        }
    }
    assert_eq!(arguments.to_tokens().to_string(), "{ \"a\" : [y] }");
    assert_eq!(opened("try_join!(a, b)").futures().len(), 2);
    assert_eq!(opened("vec![a]").futures().len(), 0);
    assert_eq!(opened("format!(\"{a} {{b}} {c:?} {0} {d:w$}\", x)").captures(), ["a", "c", "d", "w"]);
}

#[test]
fn what_cannot_be_opened_says_where_it_awaits() {
    let mac: Macro = parse_str("custom! { a => { b.await } }").expect("a macro");
    assert!(matches!(open(&mac), Opened::Unknown { awaits: Some(_) }));
    let mac: Macro = parse_str("custom!(await a)").expect("a macro");
    assert!(matches!(open(&mac), Opened::Unknown { awaits: None }));
    let mac: Macro = parse_str("vec![a => b]").expect("a macro");
    assert!(matches!(open(&mac), Opened::Unknown { awaits: None }));
}

#[test]
fn logging_statements_are_known() {
    for (text, expected) in [
        ("println!(\"{}\", order.total())", true),
        ("tracing::info!(?order, id = %order.id, total = ?order.total(), \"x\")", true),
        ("log::warn!(\"a\")", true),
        ("std::println!(\"a = {}\", a == b)", true),
        ("info!(a = ?b, c)", true),
        ("my::info!(\"a\")", false),
        ("vec![1]", false),
        ("format!(\"a\")", false),
    ] {
        let mac: Macro = parse_str(text).expect("a macro");
        let path: Vec<String> = mac.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        assert_eq!(is_logging(&mac, &path), expected, "{text}");
    }
}

#[test]
fn whatever_may_have_an_effect_is_computed() {
    for (text, expected) in [
        ("println!()", ""),
        ("println!(\"{a} {} {}\", &order.id, (1))", ""),
        ("println!(concat!(\"{}\", \"x\"), n)", ""),
        ("println!(my_format!(), my_value!())", "my_value!()"),
        ("println!(\"{:w$}\", queue.pop(), w = width(n))", "queue.pop(), width(n)"),
        ("println!(\"{}\", &mut n)", "&mut n"),
        ("print!(\"{}\", call(x).await?)", "call(x).await?"),
        ("print!(\"{} {}\", v[i], *n)", "v[i], *n"),
        ("info!(target: \"t\", parent: span.id(), a.b = %x(), ?y, \"s\" = 1, \"{}\", w + 1)", "span.id() by value, x(), w + 1"),
        ("debug!({ a = x(), b = ?y }, \"text\")", "x()"),
        ("warn!(key = 1, other:? = x(); \"text {}\", z)", "x()"),
        ("event!(Level::INFO, user.name, %user.age, \"x\")", ""),
        ("dbg!(made!(), a)", "made!()"),
    ] {
        let mut arguments = opened(text);
        let computed = arguments.computed_mut().into_iter().map(|computed| {
            let expr = computed.expr.to_token_stream().to_string().replace(' ', "").replace("&mut", "&mut ").replace('+', " + ");
            if computed.by_value { expr + " by value" } else { expr }
        });
        assert_eq!(computed.collect::<Vec<_>>().join(", "), expected, "{text}");
    }
}

#[test]
fn the_mark_of_a_loop_is_taken_off() {
    let mut expr: syn::ExprForLoop = parse_quote! { #[sequential] #[allow(unused)] for x in y {} };
    assert!(take_sequential(&mut expr.attrs));
    assert!(!take_sequential(&mut expr.attrs));
    assert_eq!(expr.attrs[0].to_token_stream().to_string(), "# [allow (unused)]");
}
