//! The table in the documentation of `Payload`, row by row.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, UNIX_EPOCH};

use dacapo::Payload;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(u8);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pair(u8, char);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    n: u8,
    later: Option<u8>,
}

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
enum Variant {
    Unit,
    Newtype(u8),
    Tuple(u8, u8),
    Struct { n: u8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Wide(u64),
    Narrow(u8),
}

fn travels<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T, as_text: &str) {
    let payload = Payload::encode(&value).unwrap_or_else(|failure| panic!("{value:?}: {failure}"));
    assert_eq!(payload.as_str(), as_text);
    assert_eq!(payload.decode::<T>().expect("it was encoded"), value, "{as_text}");
}

fn is_refused<T: Serialize>(value: T, why: &str) {
    let failure = Payload::encode(&value).expect_err(why);
    assert!(failure.to_string().contains(why), "{failure}");
}

#[test]
fn each_type_travels_as_its_row_says() {
    travels(i128::MIN, "-170141183460469231731687303715884105728");
    travels(u128::MAX, "340282366920938463463374607431768211455");
    travels((u64::MAX, i64::MIN, i8::MIN), "[18446744073709551615,-9223372036854775808,-128]");
    travels((0.1_f32, 0.1_f64, f64::MAX, f64::MIN_POSITIVE), "[0.1,0.1,1.7976931348623157e+308,2.2250738585072014e-308]");
    let negative: f64 = Payload::encode(&-0.0).and_then(|payload| payload.decode()).expect("it is a number");
    assert!(negative.is_sign_negative());
    is_refused(f32::NAN, "NaN");
    is_refused([f64::INFINITY], "infinity");
    travels((true, 'ä', "a\0\"".to_owned()), r#"[true,"ä","a\u0000\""]"#);
    travels((), "null");
    travels(Unit, "null");
    travels((None::<u8>, Some(1)), "[null,1]");
    is_refused(Some(None::<u8>), "Some(None)");
    is_refused(Some(()), "Some(())");
    is_refused(Some(Unit), "Some(Unit)");
    is_refused(Some(Value::Null), "Some(())");
    travels(vec![(1, [2, 3])], "[[1,[2,3]]]");
    travels(HashSet::from([7]), "[7]");
    travels(HashMap::from([(Variant::Unit, 1)]), r#"{"Unit":1}"#);
    travels(BTreeMap::from([(-1, true), (2, false)]), r#"{"-1":true,"2":false}"#);
    travels(BTreeMap::from([(true, 'a')]), r#"{"true":"a"}"#);
    is_refused(BTreeMap::from([((1, 2), 3)]), "key must be a string");
    travels(Named { n: 1, later: None }, r#"{"n":1,"later":null}"#);
    let older = Payload::from_json(r#"{"n":1,"gone":[]}"#.to_owned()).expect("it is JSON");
    assert_eq!(older.decode::<Named>().expect("it fits"), Named { n: 1, later: None });
    travels((Newtype(1), Box::new(2), Pair(3, 'c')), r#"[1,2,[3,"c"]]"#);
    let variants = [Variant::Unit, Variant::Newtype(1), Variant::Tuple(1, 2), Variant::Struct { n: 1 }];
    travels(variants, r#"["Unit",{"Newtype":1},{"Tuple":[1,2]},{"Struct":{"n":1}}]"#);
    let narrow: Untagged = Payload::encode(&Untagged::Narrow(1)).and_then(|payload| payload.decode()).expect("it fits");
    assert_eq!(narrow, Untagged::Wide(1));
    travels(Duration::new(1, 2), r#"{"secs":1,"nanos":2}"#);
    travels(UNIX_EPOCH + Duration::from_nanos(5), r#"{"secs_since_epoch":0,"nanos_since_epoch":5}"#);
    travels(vec![0_u8, 255], "[0,255]");
    let twice = Payload::from_json(r#"{"a":1, "a":2}"#.to_owned()).expect("it is JSON");
    assert_eq!(twice.decode::<Value>().expect("it is JSON"), serde_json::json!({ "a": 2 }));
    assert_eq!(Payload::encode(&twice).expect("it is JSON").as_str(), r#"{"a":1, "a":2}"#);
}
