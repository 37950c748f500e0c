//! The query of an HTTP request.

/// A percent-encoded query; a name may come several times.
pub struct Query(Vec<(String, String)>);

#[allow(dead_code)]
impl Query {
    pub fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Query(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decode(n), decode(v))).collect())
    }

    /// The first value of a name, empty when it is not there.
    pub fn text(&self, name: &str) -> String {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default()
    }

    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
    }

    /// 0 when it is not there.
    pub fn number(&self, name: &str) -> Result<i64, String> {
        match &self.text(name)[..] {
            "" => Ok(0),
            text => text.parse().map_err(|_| format!("{} is not a number: {}", name, text)),
        }
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => {
                let hex = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
                bytes.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
