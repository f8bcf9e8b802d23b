package dashboard

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"learninglog/command"
	"learninglog/internal/language"
	"learninglog/internal/problem"
	"learninglog/learning"
	"learninglog/rollup"
)

// changeSettings sets what is in the form: name, goal, per and freeze. What is empty is unset.
// It leads to the view that the address has as its parameters.
func (p *Pages) changeSettings(w http.ResponseWriter, r *http.Request) error {
	userID, err := parseUserID(chi.URLParam(r, "user_id"))
	if err != nil {
		return err
	}
	settings, err := parseSettings(w, r)
	if err != nil {
		return err
	}
	err = p.Recorder.ChangeSettings(r.Context(), userID, settings)
	if invalid, ok := errors.AsType[*command.InvalidSettingsError](err); ok {
		return wrongSettings(localeOf(r), invalid)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, viewAddress(userID, r.URL.Query(), "settings"), http.StatusSeeOther) //nolint:gosec // it leads to this very site
	return nil
}

// parseSettings returns the settings in the form, which aren't checked yet. What is no whole
// number is -1, which is refused as well.
func parseSettings(w http.ResponseWriter, r *http.Request) (settings learning.Settings, err error) {
	if err := readForm(w, r); err != nil {
		return learning.Settings{}, err
	}
	for _, field := range []string{"name", "goal", "freeze"} { // what is empty unsets; what isn't there must not
		if !r.PostForm.Has(field) {
			return learning.Settings{}, unreadableForm()
		}
	}
	number := func(name string) int {
		text := strings.TrimSpace(r.PostForm.Get(name))
		if text == "" {
			return 0
		}
		value, err := strconv.Atoi(text)
		if err != nil {
			return -1
		}
		return value
	}
	settings.DisplayName = strings.TrimSpace(r.PostForm.Get("name"))
	settings.FreezeDays = number("freeze")
	if words := number("goal"); words != 0 {
		settings.Goal = learning.Goal{Words: int64(words), Per: rollup.Granularity(r.PostForm.Get("per"))}
	}
	return settings, nil
}

// wrongSettings says what is wrong with settings, by what the form calls them.
func wrongSettings(l *language.Locale, invalid *command.InvalidSettingsError) error {
	fields := make([]problem.Field, len(invalid.Errors))
	for i, wrong := range invalid.Errors {
		switch wrong.Field {
		case "display_name":
			fields[i] = problem.Field{Location: l.Text("settings.name"), Message: l.Text("settings.wrong_name", "most", command.MaxDisplayName)}
		case "goal.words":
			fields[i] = problem.Field{Location: l.Text("settings.goal"), Message: l.Text("settings.wrong_number", "least", 1, "most", command.MaxGoalWords)}
		case "goal.per":
			fields[i] = problem.Field{Location: l.Text("settings.per"), Message: l.Text("settings.wrong_per")}
		case "freeze_days":
			fields[i] = problem.Field{Location: l.Text("settings.freeze"), Message: l.Text("settings.wrong_number", "least", 0, "most", command.MaxFreezeDays)}
		default: // not in the form
			fields[i] = problem.Field{Location: wrong.Field, Message: wrong.Expected}
		}
	}
	return translated{problem.Invalid.New(l.Text("settings.wrong_help"), fields...).Titled(l.Text("settings.wrong"))}
}
