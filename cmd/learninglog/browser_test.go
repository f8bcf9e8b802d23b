package main_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// screenshots is the directory for pictures of pages. git ignores it.
const screenshots = "../../screenshots"

// required reports whether missing tools make a test fail instead of skipping it.
func required() bool { return os.Getenv("CI") != "" }

func skipUnlessRequired(t testing.TB, reason string) {
	t.Helper()
	if required() {
		require.Fail(t, reason)
	}
	t.Skip(reason)
}

// tab is a browser tab that shows a service. At its end, the test fails if a page
// had an error or loaded anything from another site.
type tab struct {
	t    testing.TB
	ctx  context.Context //nolint:containedctx // it is chromedp's handle of the tab
	base string
	axe  string // the text of axe-core, or empty if it is missing

	mu       sync.Mutex
	problems []string
	expected []string // parts of the messages of errors that the test provokes
}

// browse opens a tab with the width of a desktop, of somebody who reads English.
func browse(t testing.TB, s *service) *tab {
	t.Helper()
	return browseIn(t, s, "en")
}

// browseIn opens a tab of somebody who reads a language.
func browseIn(t testing.TB, s *service, language string) *tab {
	t.Helper()
	// This is read before Chromium is looked for, so that `make browser-tools`
	// invalidates the cached result of a skipped test.
	axe, _ := os.ReadFile("testdata/browser/node_modules/axe-core/axe.min.js")
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		skipUnlessRequired(t, "there is no Chromium to show pages in: install it (apt-get install chromium), and run `make browser-tools`")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("accept-lang", language),
		chromedp.DisableGPU,
		chromedp.WindowSize(1100, 900),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	opened := &tab{t: t, ctx: ctx, base: s.base, axe: string(axe)}
	require.NoError(t, chromedp.Listen(ctx, opened.listen))
	t.Cleanup(opened.check)
	instruct(opened, network.Enable, network.EnableParams{})
	instruct(opened, log.Enable, cdp.Empty{})
	instruct(opened, runtime.Enable, cdp.Empty{})
	return opened
}

// listen records errors and requests to other sites.
func (b *tab) listen(event any) {
	problem := ""
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = "exception: " + event.ExceptionDetails.Text
	case *log.EventEntryAdded:
		if event.Entry.Level == log.EntryLevelError || event.Entry.Level == log.EntryLevelWarning {
			problem = fmt.Sprintf("%s: %s %s", event.Entry.Level, event.Entry.Text, event.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		asked, err := url.Parse(event.Request.URL)
		if err != nil || (asked.Scheme != "data" && !strings.HasPrefix(event.Request.URL, b.base+"/")) {
			problem = "asked elsewhere: " + event.Request.URL
		}
	}
	if problem != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.problems = append(b.problems, problem)
	}
}

// expect says that an error whose message contains text is not a failure.
func (b *tab) expect(text string) { b.expected = append(b.expected, text) }

func (b *tab) check() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		known := false
		for _, text := range b.expected {
			known = known || strings.Contains(problem, text)
		}
		assert.True(b.t, known, "in the browser: %s", problem)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, steps...))
}

// get returns the result of an action.
func get[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	found, err := chromedp.Run(b.ctx, action)
	require.NoError(b.t, err)
	return found
}

// evaluate returns the value of an expression in the page.
func evaluate[T any](b *tab, expression string, options ...chromedp.EvaluateOption) T {
	b.t.Helper()
	return get(b, chromedp.Evaluate[T](expression, options...))
}

// instruct runs a command of the browser's protocol.
func instruct[P, R any](b *tab, of cdp.Command[P, R], parameters P) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, of, parameters)
	require.NoError(b.t, err)
}

// open shows a page.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base+path), chromedp.WaitReady(chromedp.CSS("main")))
}

// follow clicks a link to another page, and waits for that page.
func (b *tab) follow(selector string) {
	b.t.Helper()
	_, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(selector)))
	require.NoError(b.t, err, selector)
	b.waitFor("main")
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// text returns the text of an element, once that exists, even while the page is being
// replaced.
func (b *tab) text(selector string) string {
	b.t.Helper()
	expression := fmt.Sprintf(`document.querySelector(%q)?.innerText ?? null`, selector)
	text := ""
	require.Eventually(b.t, func() bool {
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[*string](expression))
		if err != nil || found == nil {
			return false
		}
		text = strings.TrimSpace(*found)
		return true
	}, eventually, often, "there is no %s", selector)
	return text
}

// textContent returns the text of an element that isn't shown, such as a title.
func (b *tab) textContent(selector string) string {
	b.t.Helper()
	return evaluate[string](b, fmt.Sprintf(`document.querySelector(%q)?.textContent ?? "there is no such element"`, selector))
}

// path returns the path of the tab's page.
func (b *tab) path() string {
	b.t.Helper()
	return evaluate[string](b, `location.pathname + location.search`)
}

// count returns the number of matching elements.
func (b *tab) count(selector string) int {
	b.t.Helper()
	return evaluate[int](b, fmt.Sprintf(`document.querySelectorAll(%q).length`, selector))
}

// isVisible reports whether an element is visible.
func (b *tab) isVisible(selector string) bool {
	b.t.Helper()
	return evaluate[bool](b, fmt.Sprintf(`document.querySelector(%q).checkVisibility({contentVisibilityAuto: true})`, selector))
}

// waitFor waits until a matching element exists.
func (b *tab) waitFor(selector string) {
	b.t.Helper()
	b.do(chromedp.WaitReady(chromedp.CSS(selector)))
}

// says waits until the page is loaded and the text of an element contains want, even
// while the page is being replaced.
func (b *tab) says(selector, want string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.readyState === "complete" && document.querySelector(%q)?.innerText.includes(%q)`, selector, want))
}

// until waits until an expression is true, even while the page is being replaced.
func (b *tab) until(expression string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		return err == nil && is
	}, eventually, often, "never: %s", expression)
}

// narrow gives the tab the width of a phone.
func (b *tab) narrow() {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
}

// fits fails the test if the page of a phone scrolls sideways.
func (b *tab) fits() {
	b.t.Helper()
	assert.LessOrEqual(b.t, evaluate[int](b, `document.documentElement.scrollWidth`), 360, "%s scrolls sideways", b.path())
}

// dark makes the browser prefer the dark colour scheme.
func (b *tab) dark() {
	b.t.Helper()
	instruct(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
}

// withoutScripts disables scripts.
func (b *tab) withoutScripts() {
	b.t.Helper()
	instruct(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// withScripts enables them again.
func (b *tab) withScripts() {
	b.t.Helper()
	instruct(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{})
}

// screenshot saves a picture of the whole page as a PNG, and returns it.
func (b *tab) screenshot(name string) (picture []byte) {
	b.t.Helper()
	const quality = 100 // makes it a PNG
	picture = get(b, chromedp.FullScreenshot(quality))
	require.NoError(b.t, os.MkdirAll(screenshots, 0o750))
	require.NoError(b.t, os.WriteFile(filepath.Join(screenshots, name+".png"), picture, 0o600))
	return picture
}

// isAccessible fails the test if axe finds anything wrong on the page.
func (b *tab) isAccessible(what string) {
	b.t.Helper()
	if b.axe == "" {
		skipUnlessRequired(b.t, "axe-core is missing: run `make browser-tools`")
	}
	const find = `axe.run().then((found) => found.violations.flatMap((violation) =>
		violation.nodes.map((node) => violation.id + ": " + node.html + ": " + node.failureSummary)))`
	evaluate[any](b, b.axe+"; null", chromedp.EvalAsValue)
	assert.Empty(b.t, evaluate[[]string](b, find, chromedp.EvalAwaitPromise), what)
}
