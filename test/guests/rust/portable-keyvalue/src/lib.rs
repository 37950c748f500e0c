//! A portable capability provider of waSCC: `wascc:keyvalue` as a wasm module, signed with `prov: true`.
//! All it knows lives in its instance. Key `bound` tells which actors were bound with which values.

extern crate wascc_actor as actor;
use actor::prelude::*;
use codec::capabilities::{CapabilityDescriptor, OperationDirection, OP_GET_CAPABILITY_DESCRIPTOR};
use codec::core::{CapabilityConfiguration, HealthRequest, OP_BIND_ACTOR, OP_HEALTH_REQUEST, OP_REMOVE_ACTOR};
use codec::keyvalue::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

actor_handlers! {
    OP_GET_CAPABILITY_DESCRIPTOR => descriptor,
    OP_HEALTH_REQUEST => health,
    OP_BIND_ACTOR => bind,
    OP_REMOVE_ACTOR => remove,
    OP_ADD => add,
    OP_GET => get,
    OP_SET => set,
    OP_DEL => del,
    OP_CLEAR => clear,
    OP_RANGE => range,
    OP_PUSH => push,
    OP_LIST_DEL => list_item_delete,
    OP_SET_ADD => set_add,
    OP_SET_REMOVE => set_remove,
    OP_SET_UNION => set_union,
    OP_SET_INTERSECT => set_intersection,
    OP_SET_QUERY => set_query,
    OP_KEY_EXISTS => key_exists
}

#[derive(Default)]
struct Store {
    bound: BTreeMap<String, String>,
    texts: BTreeMap<String, String>,
    lists: BTreeMap<String, Vec<String>>,
    sets: BTreeMap<String, BTreeSet<String>>,
}

static STORE: Mutex<Option<Store>> = Mutex::new(None);

fn with<R>(work: impl FnOnce(&mut Store) -> R) -> HandlerResult<R> {
    let mut store: MutexGuard<Option<Store>> = STORE.lock().map_err(|error| error.to_string())?;
    Ok(work(store.get_or_insert_with(Store::default)))
}

fn descriptor(_: HealthRequest) -> HandlerResult<CapabilityDescriptor> {
    Ok(CapabilityDescriptor::builder()
        .id("wascc:keyvalue")
        .name("Portable key-value store")
        .long_description("Keeps everything in the memory of one wasm instance")
        .version("0.1.0")
        .revision(1)
        .with_operation(OP_ADD, OperationDirection::ToProvider, "Adds to a number")
        .with_operation(OP_GET, OperationDirection::ToProvider, "Gets a value")
        .build())
}

fn health(_: HealthRequest) -> HandlerResult<()> {
    Ok(())
}

fn bind(actor: CapabilityConfiguration) -> HandlerResult<()> {
    let values: BTreeMap<_, _> = actor.values.into_iter().collect();
    with(|store| store.bound.insert(actor.module, format!("{values:?}"))).map(|_| ())
}

fn remove(actor: CapabilityConfiguration) -> HandlerResult<()> {
    with(|store| store.bound.remove(&actor.module)).map(|_| ())
}

fn add(request: AddRequest) -> HandlerResult<AddResponse> {
    with(|store| {
        let text = store.texts.entry(request.key).or_insert_with(|| "0".to_string());
        let value = text.parse::<i32>().map_err(|_| "value is not a number")? + request.value;
        *text = value.to_string();
        Ok(AddResponse { value })
    })?
}

fn get(request: GetRequest) -> HandlerResult<GetResponse> {
    with(|store| {
        let found = match &request.key[..] {
            "bound" => Some(format!("{:?}", store.bound)),
            key => store.texts.get(key).cloned(),
        };
        GetResponse { exists: found.is_some(), value: found.unwrap_or_default() }
    })
}

fn set(request: SetRequest) -> HandlerResult<SetResponse> {
    with(|store| store.texts.insert(request.key, request.value.clone()))?;
    Ok(SetResponse { value: request.value })
}

fn del(request: DelRequest) -> HandlerResult<DelResponse> {
    with(|store| {
        store.texts.remove(&request.key);
        store.lists.remove(&request.key);
        store.sets.remove(&request.key);
    })?;
    Ok(DelResponse { key: request.key })
}

fn clear(request: ListClearRequest) -> HandlerResult<ListResponse> {
    with(|store| store.lists.remove(&request.key))?;
    Ok(ListResponse { new_count: 0 })
}

fn range(request: ListRangeRequest) -> HandlerResult<ListRangeResponse> {
    with(|store| {
        let list = store.lists.get(&request.key).cloned().unwrap_or_default();
        let at = |index: i32| if index < 0 { index + list.len() as i32 } else { index };
        let (start, stop) = (at(request.start).max(0) as usize, at(request.stop) + 1);
        let stop = (stop.max(0) as usize).min(list.len());
        ListRangeResponse { values: list.get(start..stop).unwrap_or_default().to_vec() }
    })
}

fn push(request: ListPushRequest) -> HandlerResult<ListResponse> {
    with(|store| {
        let list = store.lists.entry(request.key).or_default();
        list.push(request.value);
        ListResponse { new_count: list.len() as i32 }
    })
}

fn list_item_delete(request: ListDelItemRequest) -> HandlerResult<ListResponse> {
    with(|store| {
        let list = store.lists.entry(request.key).or_default();
        list.retain(|value| *value != request.value);
        ListResponse { new_count: list.len() as i32 }
    })
}

fn set_add(request: SetAddRequest) -> HandlerResult<SetOperationResponse> {
    with(|store| {
        let set = store.sets.entry(request.key).or_default();
        set.insert(request.value);
        SetOperationResponse { new_count: set.len() as i32 }
    })
}

fn set_remove(request: SetRemoveRequest) -> HandlerResult<SetOperationResponse> {
    with(|store| {
        let set = store.sets.entry(request.key).or_default();
        set.remove(&request.value);
        SetOperationResponse { new_count: set.len() as i32 }
    })
}

fn set_union(request: SetUnionRequest) -> HandlerResult<SetQueryResponse> {
    with(|store| {
        let sets = request.keys.iter().filter_map(|key| store.sets.get(key));
        let all: BTreeSet<String> = sets.flatten().cloned().collect();
        SetQueryResponse { values: all.into_iter().collect() }
    })
}

fn set_intersection(request: SetIntersectionRequest) -> HandlerResult<SetQueryResponse> {
    with(|store| {
        let mut sets = request.keys.iter().map(|key| store.sets.get(key).cloned().unwrap_or_default());
        let first = sets.next().unwrap_or_default();
        let common = sets.fold(first, |left, right| left.intersection(&right).cloned().collect());
        SetQueryResponse { values: common.into_iter().collect() }
    })
}

fn set_query(request: SetQueryRequest) -> HandlerResult<SetQueryResponse> {
    with(|store| {
        let values = store.sets.get(&request.key).cloned().unwrap_or_default();
        SetQueryResponse { values: values.into_iter().collect() }
    })
}

fn key_exists(request: KeyExistsQuery) -> HandlerResult<GetResponse> {
    get(GetRequest { key: request.key })
}
