// Notes is a provider of the 0.x years in one static file: a key-value store in memory that also calls its actors.
// It is written from the protocol, with the public NATS client and MessagePack codec of Go, and shares nothing with
// the host. Source: lattice protocol reference, sections 3 and 11; captures of 0.82, sections 7 to 9.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/vmihailenco/msgpack/v5"
)

const contract = "wasmcloud:keyvalue"

type hostData struct {
	HostID         string   `json:"host_id"`
	Lattice        string   `json:"lattice_rpc_prefix"`
	LinkName       string   `json:"link_name"`
	URL            string   `json:"lattice_rpc_url"`
	Key            string   `json:"provider_key"`
	Seed           string   `json:"invocation_seed"`
	ClusterIssuers []string `json:"cluster_issuers"`
	Links          []link   `json:"link_definitions"`
}

type link struct {
	Actor  string            `json:"actor_id" msgpack:"actor_id"`
	Values map[string]string `json:"values" msgpack:"values"`
}

type entity struct {
	PublicKey  string `msgpack:"public_key"`
	LinkName   string `msgpack:"link_name"`
	ContractID string `msgpack:"contract_id"`
}

type invocation struct {
	Origin        entity            `msgpack:"origin"`
	Target        entity            `msgpack:"target"`
	Operation     string            `msgpack:"operation"`
	Msg           []byte            `msgpack:"msg"`
	ID            string            `msgpack:"id"`
	EncodedClaims string            `msgpack:"encoded_claims"`
	HostID        string            `msgpack:"host_id"`
	ContentLength uint64            `msgpack:"content_length"`
	TraceContext  map[string]string `msgpack:"traceContext"`
}

type response struct {
	Msg           []byte            `msgpack:"msg"`
	InvocationID  string            `msgpack:"invocation_id"`
	Error         string            `msgpack:"error,omitempty"`
	ContentLength uint64            `msgpack:"content_length"`
	TraceContext  map[string]string `msgpack:"traceContext"`
}

type provider struct {
	sync.Mutex
	host  hostData
	me    entity
	nats  *nats.Conn
	links map[string]link
	count map[string]int32
	done  chan struct{}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	if err != nil {
		return err
	}
	p := &provider{links: map[string]link{}, count: map[string]int32{}, done: make(chan struct{})}
	if err := json.Unmarshal(raw, &p.host); err != nil {
		return err
	}
	for _, each := range p.host.Links {
		p.links[each.Actor] = each
	}
	p.me = entity{p.host.Key, p.host.LinkName, contract}
	if p.nats, err = nats.Connect(p.host.URL); err != nil {
		return err
	}
	return p.serve()
}

func (p *provider) serve() error {
	base := fmt.Sprintf("wasmbus.rpc.%s.%s.%s", p.host.Lattice, p.host.Key, p.host.LinkName)
	handlers := map[string]nats.MsgHandler{
		base + ".linkdefs.put": func(m *nats.Msg) { p.changeLink(m, true) },
		base + ".linkdefs.del": func(m *nats.Msg) { p.changeLink(m, false) },
		base + ".health":       func(m *nats.Msg) { respond(m, map[string]bool{"healthy": true}) },
		base + ".shutdown":     p.shutdown,
	}
	for subject, handler := range handlers {
		if _, err := p.nats.Subscribe(subject, handler); err != nil {
			return err
		}
	}
	if _, err := p.nats.QueueSubscribe(base, "rpc", func(m *nats.Msg) { go p.answer(m) }); err != nil {
		return err
	}
	fmt.Println("notes listen")
	<-p.done
	return p.nats.Drain()
}

func (p *provider) changeLink(m *nats.Msg, put bool) {
	var changed link
	if msgpack.Unmarshal(m.Data, &changed) != nil {
		return
	}
	p.Lock()
	defer p.Unlock()
	_, known := p.links[changed.Actor]
	if !put {
		delete(p.links, changed.Actor)
	} else if !known { // as the SDK of the time: a link that is there already stays as it is
		p.links[changed.Actor] = changed
	}
}

func (p *provider) shutdown(m *nats.Msg) {
	var asked struct {
		HostID string `json:"host_id"`
	}
	if json.Unmarshal(m.Data, &asked) == nil && asked.HostID == p.host.HostID {
		_ = m.Respond([]byte("shutting down"))
		_ = p.nats.Flush()
		close(p.done)
	}
}

func (p *provider) answer(m *nats.Msg) {
	var in invocation
	if err := msgpack.Unmarshal(m.Data, &in); err != nil {
		return
	}
	out := response{InvocationID: in.ID, TraceContext: map[string]string{}}
	msg, err := p.handle(&in)
	if err != nil {
		out.Error = err.Error()
	}
	out.Msg, out.ContentLength = msg, uint64(len(msg))
	respond(m, out)
}

func (p *provider) handle(in *invocation) ([]byte, error) {
	if err := p.check(in); err != nil {
		return nil, err
	}
	p.Lock()
	linked, ok := p.links[in.Origin.PublicKey]
	p.Unlock()
	if !ok {
		return nil, errors.New("the actor is not linked")
	}
	switch in.Operation {
	case "KeyValue.Increment":
		var arg struct {
			Key   string `msgpack:"key"`
			Value int32  `msgpack:"value"`
		}
		if err := msgpack.Unmarshal(in.Msg, &arg); err != nil {
			return nil, err
		}
		p.Lock()
		defer p.Unlock()
		p.count[linked.Values["prefix"]+arg.Key] += arg.Value
		return msgpack.Marshal(p.count[linked.Values["prefix"]+arg.Key])
	case "Ask":
		return p.ask(in.Origin.PublicKey, "Echo", in.Msg)
	default:
		return nil, fmt.Errorf("no operation %s", in.Operation)
	}
}

// What the SDK of the time checks: issuer, signature and hash.
func (p *provider) check(in *invocation) error {
	parts := strings.Split(in.EncodedClaims, ".")
	if len(parts) != 3 {
		return errors.New("the claims are no token")
	}
	var claims struct {
		Issuer string `json:"iss"`
		Wascap struct {
			Hash string `json:"hash"`
		} `json:"wascap"`
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(body, &claims)
	}
	if err != nil {
		return err
	}
	known := false
	for _, issuer := range p.host.ClusterIssuers {
		known = known || issuer == claims.Issuer
	}
	if !known {
		return errors.New("the issuer is not in the list of cluster issuers")
	}
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(claims.Issuer)
	if err != nil {
		return err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !ed25519.Verify(key[1:33], []byte(parts[0]+"."+parts[1]), signature) {
		return errors.New("the signature is bad")
	}
	if claims.Wascap.Hash != hash(in.Origin, in.Target, in.Operation, in.Msg) {
		return errors.New("the hash is bad")
	}
	return nil
}

func (p *provider) ask(actor, operation string, msg []byte) ([]byte, error) {
	target := entity{PublicKey: actor}
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(time.Now().UnixNano(), actor))))[:32]
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(p.host.Seed)
	if err != nil {
		return nil, err
	}
	private := ed25519.NewKeyFromSeed(seed[2:34])
	public := append([]byte{(seed[0]&7)<<5 | seed[1]>>3}, private.Public().(ed25519.PublicKey)...)
	claims, err := json.Marshal(map[string]any{
		"jti": id, "iat": time.Now().Unix(), "iss": encodeKey(public), "sub": id,
		"wascap":          map[string]string{"target_url": url(target) + "/" + operation, "origin_url": url(p.me), "hash": hash(p.me, target, operation, msg)},
		"wascap_revision": 3,
	})
	if err != nil {
		return nil, err
	}
	signed := encode([]byte(`{"typ":"jwt","alg":"Ed25519"}`)) + "." + encode(claims)
	packed, err := msgpack.Marshal(invocation{
		Origin: p.me, Target: target, Operation: operation, Msg: msg, ID: id,
		EncodedClaims: signed + "." + encode(ed25519.Sign(private, []byte(signed))),
		HostID:        p.host.HostID, ContentLength: uint64(len(msg)), TraceContext: map[string]string{},
	})
	if err != nil {
		return nil, err
	}
	reply, err := p.nats.Request(fmt.Sprintf("wasmbus.rpc.%s.%s", p.host.Lattice, actor), packed, 2*time.Second)
	if err != nil {
		return nil, err
	}
	var out response
	if err := msgpack.Unmarshal(reply.Data, &out); err != nil {
		return nil, err
	}
	if out.Error != "" {
		return nil, errors.New(out.Error)
	}
	return out.Msg, nil
}

func hash(origin, target entity, operation string, msg []byte) string {
	sum := sha256.New()
	sum.Write([]byte(url(origin) + url(target) + "/" + operation + operation))
	sum.Write(msg)
	return strings.ToUpper(hex.EncodeToString(sum.Sum(nil)))
}

func url(e entity) string {
	if strings.HasPrefix(e.PublicKey, "M") {
		return "wasmbus://" + e.PublicKey
	}
	flat := strings.NewReplacer(":", "/", " ", "_")
	return strings.ToLower("wasmbus://"+flat.Replace(e.ContractID)+"/"+strings.ReplaceAll(e.LinkName, " ", "_")) + "/" + e.PublicKey
}

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// The text of a key: base32 of its bytes and their CRC-16 (XMODEM), low byte first.
func encodeKey(raw []byte) string {
	var crc uint16
	for _, each := range raw {
		crc ^= uint16(each) << 8
		for bit := 0; bit < 8; bit++ {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(append(raw, byte(crc), byte(crc>>8)))
}

func respond(m *nats.Msg, value any) {
	if packed, err := msgpack.Marshal(value); err == nil {
		_ = m.Respond(packed)
	}
}
