package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// readJSON reads one JSON value, its numbers as json.Number. With unique, a repeated key is refused; else the last one counts.
func readJSON(raw []byte, unique bool) (any, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	found, err := readValue(decoder, unique)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON")
	}
	return found, nil
}

func readValue(decoder *json.Decoder, unique bool) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		found := map[string]any{}
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			key, _ := name.(string)
			if _, there := found[key]; there && unique {
				return nil, errors.New("a JSON key is repeated")
			}
			if found[key], err = readValue(decoder, unique); err != nil {
				return nil, err
			}
		}
		_, err := decoder.Token()
		return found, err
	case json.Delim('['):
		found := []any{}
		for decoder.More() {
			item, err := readValue(decoder, unique)
			if err != nil {
				return nil, err
			}
			found = append(found, item)
		}
		_, err := decoder.Token()
		return found, err
	}
	return token, nil
}
