// The same exchanges as a Go programmer would write them: net/http,
// encoding/json, the config encoded and the answer decoded each time.
//
//	go_client update BASE_URL CONNECTOR_ID OPERATIONS CONCURRENCY CONFIG_FILE
//	go_client list BASE_URL EXPECTED
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

type task struct {
	ID       int    `json:"id"`
	State    string `json:"state"`
	WorkerID string `json:"worker_id"`
	Trace    string `json:"trace"`
}

type connector struct {
	ID              string            `json:"connector_id"`
	Name            string            `json:"name"`
	CustomerID      string            `json:"customer_id"`
	ClusterID       string            `json:"cluster_id"`
	CreationTime    int64             `json:"creation_time"`
	DeletionTime    int64             `json:"deletion_time"`
	State           string            `json:"state"`
	StateError      string            `json:"state_error_message"`
	ConnectorState  string            `json:"connector_state"`
	Tasks           []task            `json:"tasks"`
	Topics          []string          `json:"topics"`
	Class           string            `json:"connector_class"`
	Properties      map[string]string `json:"properties"`
	EncodedUsername string            `json:"encoded_username"`
	TTL             int64             `json:"TTL"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go_client:", err)
		os.Exit(1)
	}
}

func exchange(client *http.Client, method, url string, body io.Reader, answer any) error {
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		return err
	}
	request.SetBasicAuth(os.Getenv("UPSTASH_EMAIL"), os.Getenv("UPSTASH_API_KEY"))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	bytes, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(bytes, answer)
}

func update(client *http.Client, url string, config map[string]string) error {
	body, err := json.Marshal(config)
	if err != nil {
		return err
	}
	var c connector
	if err := exchange(client, "POST", url, bytes.NewReader(body), &c); err != nil {
		return err
	}
	if c.State != "running" || len(c.Tasks) != 1 {
		return fmt.Errorf("unexpected state %q", c.State)
	}
	return nil
}

func updateAll(base, id string, operations, concurrency int, path string) {
	text, err := os.ReadFile(path)
	check(err)
	var config map[string]string
	check(json.Unmarshal(text, &config))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: concurrency}}
	var started atomic.Int64
	var workers sync.WaitGroup
	for range concurrency {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for started.Add(1) <= int64(operations) {
				check(update(client, base+"/update-connector/"+id, config))
			}
		}()
	}
	workers.Wait()
}

func list(base string, expected int) {
	var all, failed []connector
	check(exchange(http.DefaultClient, "GET",
		base+"/connectors/7568431c-88d5-4409-a808-2167f22a7133", nil, &all))
	for _, c := range all {
		if strings.EqualFold(c.ConnectorState, "failed") {
			failed = append(failed, c)
		}
	}
	if len(failed) != expected {
		check(fmt.Errorf("%d are failed, not %d", len(failed), expected))
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

func main() {
	switch arguments := os.Args[1:]; {
	case len(arguments) == 6 && arguments[0] == "update":
		updateAll(arguments[1], arguments[2], number(arguments[3]), number(arguments[4]), arguments[5])
	case len(arguments) == 3 && arguments[0] == "list":
		list(arguments[1], number(arguments[2]))
	default:
		fmt.Fprintln(os.Stderr, "usage: go_client update|list ARGUMENTS")
		os.Exit(2)
	}
}
