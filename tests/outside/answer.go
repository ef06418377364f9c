package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"
)

// Question is one line of standard input. The tree is over the leaves `0`, `1`, `2`, …
type Question struct {
	Ask   string   `json:"ask"` // root | inclusion | consistency | verify-inclusion | verify-consistency
	Index uint64   `json:"index"`
	Old   uint64   `json:"old"`
	Size  uint64   `json:"size"`
	Leaf  string   `json:"leaf"`
	Root1 string   `json:"root1"`
	Root  string   `json:"root"`
	Proof []string `json:"proof"`
}

// Answer is one line of standard output.
type Answer struct {
	Hashes []string `json:"hashes"`
	Merkle bool     `json:"merkle"` // whether github.com/transparency-dev/merkle accepts the proof
	Tlog   bool     `json:"tlog"`   // whether golang.org/x/mod/sumdb/tlog does
}

// answer proves and verifies what it is asked for until standard input ends.
func answer([]string) (any, error) {
	var stored []tlog.Hash
	leaves := int64(0)
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for at, index := range indexes {
			found[at] = stored[index]
		}
		return found, nil
	})
	input, output := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	input.Buffer(nil, 1<<22)
	for input.Scan() {
		var asked Question
		if err := json.Unmarshal(input.Bytes(), &asked); err != nil {
			return nil, err
		}
		for ; leaves < int64(asked.Size) && asked.Size < 1<<20; leaves++ {
			more, err := tlog.StoredHashes(leaves, []byte(fmt.Sprint(leaves)), reader)
			if err != nil {
				return nil, err
			}
			stored = append(stored, more...)
		}
		said, err := reply(asked, reader)
		if err != nil {
			return nil, err
		}
		if err := output.Encode(said); err != nil {
			return nil, err
		}
	}
	return nil, input.Err()
}

func reply(asked Question, reader tlog.HashReader) (Answer, error) {
	said := Answer{Hashes: []string{}}
	var found []tlog.Hash
	var err error
	switch asked.Ask {
	case "root":
		var root tlog.Hash
		root, err = tlog.TreeHash(int64(asked.Size), reader)
		found = []tlog.Hash{root}
	case "inclusion":
		found, err = tlog.ProveRecord(int64(asked.Size), int64(asked.Index), reader)
	case "consistency":
		found, err = tlog.ProveTree(int64(asked.Size), int64(asked.Old), reader)
	case "verify-inclusion", "verify-consistency":
		return verify(asked)
	default:
		err = fmt.Errorf("unknown question %q", asked.Ask)
	}
	for _, hash := range found {
		said.Hashes = append(said.Hashes, base64.StdEncoding.EncodeToString(hash[:]))
	}
	return said, err
}

func verify(asked Question) (Answer, error) {
	raw, err := decode(append([]string{asked.Leaf, asked.Root1, asked.Root}, asked.Proof...))
	if err != nil {
		return Answer{}, err
	}
	leaf, root1, root, hashed := raw[0], raw[1], raw[2], raw[3:]
	said := Answer{Hashes: []string{}}
	if asked.Ask == "verify-inclusion" {
		said.Merkle = proof.VerifyInclusion(rfc6962.DefaultHasher, asked.Index, asked.Size, leaf, hashed, root) == nil
		said.Tlog = tlog.CheckRecord(hashes(hashed), int64(asked.Size), tlog.Hash(root), int64(asked.Index), tlog.Hash(leaf)) == nil
	} else {
		said.Merkle = proof.VerifyConsistency(rfc6962.DefaultHasher, asked.Old, asked.Size, hashed, root1, root) == nil
		said.Tlog = tlog.CheckTree(tlog.TreeProof(hashes(hashed)), int64(asked.Size), tlog.Hash(root), int64(asked.Old), tlog.Hash(root1)) == nil
	}
	return said, nil
}
