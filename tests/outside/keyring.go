package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	genesisType = "lineproof.genesis.v1"
	keyType     = "lineproof.key.v1"
	policyType  = "lineproof.policy.v1"
	erasureType = "lineproof.erasure.v1"
	cloudEvent  = "application/cloudevents+json"
)

// signer is what the log says of one key, in entries; -1 stands for never.
type signer struct {
	spki                   []byte
	purpose, tenant, scope string
	from, notAfter         int64
	enrolled               bool
	revocations            [][2]int64 // the entry that revokes, and the last valid one it sets
}

// keyring is the fold over genesis, key and policy entries.
type keyring struct {
	origin   string
	keys     map[string]*signer
	policy   int64
	bindings []binding
	tokens   map[string]bool
}

func newKeyring() *keyring {
	return &keyring{keys: map[string]*signer{}, policy: -1, tokens: map[string]bool{}}
}

func keyID(spki []byte) string {
	hash := sha256.Sum256(spki)
	return hex.EncodeToString(hash[:])
}

func signed(spki, signature, message []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(spki[12:], message, signature)
}

func pae(kind string, payload []byte) []byte {
	return append([]byte(fmt.Sprintf("DSSEv1 %d %s %d ", len(kind), kind, len(payload))), payload...)
}

// valid says whether the key may sign entry index.
func (k *keyring) valid(id string, index, received int64) bool {
	key := k.keys[id]
	if key == nil || index < key.from || (key.notAfter >= 0 && received > key.notAfter) {
		return false
	}
	for _, each := range key.revocations {
		if each[0] < index && index > each[1] {
			return false
		}
	}
	return true
}

// apply folds in one entry; an error says why it changes nothing.
func (k *keyring) apply(index int64, leaf leaf, envelope *envelope) error {
	if leaf.EventType != genesisType && leaf.EventType != keyType && leaf.EventType != policyType {
		return nil
	}
	data, byNotary, err := k.admitted(index, leaf, envelope)
	if err != nil {
		return err
	}
	switch leaf.EventType {
	case genesisType:
		return k.genesis(data)
	case keyType:
		return k.change(index, leaf, data, byNotary)
	}
	previous, bindings := data.policy()
	if data.err != nil {
		return data.err
	}
	if previous != k.policy {
		return errors.New("previous-mismatch")
	}
	k.policy, k.bindings = index, bindings
	return nil
}

func (k *keyring) admitted(index int64, leaf leaf, envelope *envelope) (*body, bool, error) {
	if envelope == nil {
		return nil, false, errors.New("body-missing")
	}
	parsed, err := readJSON(envelope.payload, true)
	event, ok := parsed.(map[string]any)
	if err != nil || !ok || envelope.payloadType != cloudEvent || event["type"] != leaf.EventType {
		return nil, false, errors.New("type-mismatch")
	}
	inner, ok := event["data"].(map[string]any)
	if !ok {
		return nil, false, errors.New("type-mismatch")
	}
	data := &body{data: inner}
	if (leaf.EventType == genesisType) != (index == 0) {
		return nil, false, errors.New("genesis-not-first")
	}
	var spki []byte
	origin, byNotary := k.origin, false
	if leaf.EventType == genesisType {
		spki, origin = data.key("rootAdminKey"), data.name("origin")
		if data.err != nil {
			return nil, false, data.err
		}
	} else {
		key := k.keys[leaf.Signer]
		byNotary = key != nil && key.purpose == "notary" && leaf.EventType == keyType && data.has("enrolment")
		if key == nil || !(key.purpose == "admin" || byNotary) || !k.valid(leaf.Signer, index, leaf.Received) {
			return nil, false, errors.New("not-signed-by-root-admin")
		}
		spki = key.spki
	}
	if leaf.Signer != keyID(spki) {
		return nil, false, errors.New("not-signed-by-root-admin")
	}
	if audience, there := event["audience"]; there && audience != nil && audience != origin {
		return nil, false, errors.New("wrong-audience")
	}
	if !signed(spki, envelope.signature, pae(envelope.payloadType, envelope.payload)) {
		return nil, false, errors.New("bad-signature")
	}
	return data, byNotary, nil
}

func (k *keyring) genesis(data *body) error {
	own := map[string][]byte{"log": data.key("logKey"), "notary": data.key("notaryKey"), "admin": data.key("rootAdminKey")}
	if data.err != nil {
		return data.err
	}
	if bytes.Equal(own["log"], own["notary"]) || bytes.Equal(own["log"], own["admin"]) || bytes.Equal(own["notary"], own["admin"]) {
		return errors.New("keys-not-separate")
	}
	k.origin = data.name("origin")
	for purpose, spki := range own {
		k.keys[keyID(spki)] = &signer{spki: spki, purpose: purpose, notAfter: -1}
	}
	return nil
}

func (k *keyring) change(index int64, leaf leaf, data *body, byNotary bool) error {
	action, id := data.oneOf("action", "", "register", "rotate", "revoke"), data.matching("keyId", hex64)
	key := &signer{purpose: data.oneOf("purpose", "producer", "producer", "notary", "log", "admin"), from: index + 1, notAfter: -1}
	lastValid, replaces := int64(-1), ""
	var old, new []byte
	optional := map[string]func(){
		"publicKey": func() { key.spki = data.key("publicKey") }, "tenant": func() { key.tenant = data.matching("tenant", hex32) },
		"label": func() { data.text("label") }, "reason": func() { data.text("reason") }, "scope": func() { key.scope = data.scope("scope") },
		"lastValid": func() { lastValid = data.whole("lastValid", 0, 1<<53-1) }, "replaces": func() { replaces = data.matching("replaces", hex64) },
		"notAfter": func() { key.notAfter = data.instant("notAfter") }, "oldSignature": func() { old = data.bytes("oldSignature", 64) },
		"newSignature": func() { new = data.bytes("newSignature", 64) }, "enrolment": func() { key.enrolled = true },
	}
	for name, read := range optional {
		if data.has(name) {
			read()
		}
	}
	enrolment, claims := &body{}, map[string]string{}
	if key.enrolled {
		data.under("enrolment", func(e *body) {
			enrolment = e
			e.name("binding")
			e.name("issuer")
			e.matching("token", hex64)
			e.matching("tokenId", hex64)
			e.bytes("possession", 64)
			e.under("claims", func(c *body) {
				for claim := range c.data {
					claims[claim] = c.text(claim)
				}
			})
		})
	}
	switch {
	case data.err != nil:
		return data.err
	case action == "revoke":
		if lastValid < 0 {
			return errors.New("revoke needs lastValid")
		}
		return k.revoke(index, id, lastValid)
	case key.spki == nil || (action == "register" && key.purpose == "producer" && (key.tenant == "" || key.scope == "")) || (action == "rotate" && (old == nil || new == nil)):
		return errors.New("invalid-body")
	case key.enrolled && (action != "register" || key.purpose != "producer" || key.notAfter < 0):
		return errors.New("an enrolment registers a producer key with notAfter")
	case keyID(key.spki) != id:
		return errors.New("key-id-mismatch")
	case k.keys[id] != nil:
		return errors.New("key-exists")
	}
	if key.enrolled {
		if err := k.enrolled(leaf, id, key, enrolment, claims, byNotary); err != nil {
			return err
		}
	}
	if action == "rotate" {
		before := k.keys[replaces]
		if before == nil || before.purpose != key.purpose || (key.tenant != "" && key.tenant != before.tenant) || before.enrolled {
			return errors.New("no key to rotate")
		}
		statement := pae("application/vnd.lineproof.rotation", []byte(k.origin+"\n"+replaces+"\n"+id+"\n"))
		if !signed(before.spki, old, statement) || !signed(key.spki, new, statement) {
			return errors.New("rotation-not-signed-by-both")
		}
		key.tenant = before.tenant
		if key.scope == "" {
			key.scope = before.scope
		}
		k.keys[id] = key
		if lastValid >= 0 {
			if err := k.revoke(index, replaces, lastValid); err != nil {
				delete(k.keys, id)
				return err
			}
		}
	}
	k.keys[id] = key
	return nil
}

func (k *keyring) enrolled(leaf leaf, id string, key *signer, enrolment *body, claims map[string]string, byNotary bool) error {
	if !byNotary {
		return errors.New("enrolment-not-by-notary")
	}
	for _, bound := range k.bindings {
		if bound.id != enrolment.text("binding") {
			continue
		}
		statement := pae("application/vnd.lineproof.key-binding", []byte(k.origin+"\n"+id+"\n"+enrolment.text("token")+"\n"))
		switch {
		case enrolment.text("issuer") != bound.issuer || key.tenant != bound.tenant || key.scope != bound.scope || !bound.allows(claims):
			return errors.New("outside-binding")
		case key.notAfter > leaf.Received+bound.seconds*1_000_000:
			return errors.New("outside-binding: notAfter")
		case k.tokens[enrolment.text("tokenId")]:
			return errors.New("token-used")
		case !signed(key.spki, enrolment.bytes("possession", 64), statement):
			return errors.New("no-possession")
		}
		k.tokens[enrolment.text("tokenId")] = true
		return nil
	}
	return errors.New("no-binding")
}

func (k *keyring) revoke(index int64, id string, lastValid int64) error {
	key := k.keys[id]
	if key == nil {
		return errors.New("unknown-key")
	}
	for _, each := range key.revocations {
		if each[1] <= lastValid {
			return errors.New("already-revoked")
		}
	}
	if key.purpose != "producer" {
		others := false
		for other, each := range k.keys {
			others = others || (other != id && each.purpose == key.purpose && len(each.revocations) == 0 && each.notAfter < 0)
		}
		if !others {
			return errors.New("last-key")
		}
	}
	key.revocations = append(key.revocations, [2]int64{index, lastValid})
	return nil
}
